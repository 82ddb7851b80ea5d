"""Plan of moves: pure, in memory, computed again from the ring after a restart.

It is computed when the ring changes, not when topics are created, which the ring places already. A
few moves run at a time, the busiest partitions first, so that a new member relieves the others
soonest.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Final, NamedTuple

from common.cluster.ring import HashRing
from common.cluster.view import ClusterView
from common.ports.moves import Move, MovePhase

PartitionKey = tuple[bytes, int]

#: Delay before a partition that does not fit on its target is checked again.
NO_ROOM_PAUSE_S: Final = 5.0


class PlannedMove(NamedTuple):
    """A partition that is at `source` and should be at `target`."""

    topic_id: bytes
    partition: int
    source: str
    target: str

    @property
    def key(self) -> PartitionKey:
        return self.topic_id, self.partition


class MoveLimits(NamedTuple):
    """Limits of concurrent moves: of all members together, and of each."""

    moves_max: int = 4
    moves_per_member_max: int = 2


def planned_moves(view: ClusterView, ring: HashRing) -> list[PlannedMove]:
    """Returns the moves from the placements to those of the ring; moves under way count as done."""
    current = {
        (topic.topic_id, partition): placement.owner
        for topic in view.topics
        for partition, placement in enumerate(topic.partitions)
    }
    members = set(ring.members)
    for move in view.moves:
        if move.target in members:
            current[move.topic_id, move.partition] = move.target
    wanted = ring.rebalance(current)
    return [PlannedMove(*key, current[key], target) for key, target in wanted.items()]


class Situation(NamedTuple):
    """State of members and moves when moves are chosen from a plan.

    `alive`: live members. `unwritable`: members that accept no appends; partitions may move away
    from them, which frees space. `stuck`: ids of moves without progress. `room`: free bytes of each
    member that has reported them. `size_of`: bytes of a partition, 0 if unknown.
    """

    alive: Collection[str]
    unwritable: Collection[str] = ()
    stuck: Collection[int] = ()
    room: Mapping[str, int] = MappingProxyType({})
    size_of: Callable[[PartitionKey], int] = lambda _: 0

    def is_ready(self, source: str, target: str) -> bool:
        """True if a move between two members can make progress."""
        return source in self.alive and target in self.alive and target not in self.unwritable

    def fits(self, planned: PlannedMove, taken_bytes: int = 0) -> bool:
        """True if the target has room beside `taken_bytes` that are moving there already."""
        room = self.room.get(planned.target)
        return room is None or self.size_of(planned.key) + taken_bytes <= room


class Plan:
    """Planned moves, queued by their pair of source and target.

    Only the heads of the queues are examined, so ten thousand waiting moves cost nothing at a step.
    """

    def __init__(self, waiting: Iterable[PlannedMove] = ()) -> None:
        self._queues: dict[tuple[str, str], deque[PlannedMove]] = {}
        self._later: list[tuple[float, PlannedMove]] = []
        for planned in waiting:
            self._append(planned)

    def __len__(self) -> int:
        return sum(map(len, self._queues.values())) + len(self._later)

    def __iter__(self) -> Iterator[PlannedMove]:
        return chain(
            chain.from_iterable(self._queues.values()), (planned for _, planned in self._later)
        )

    @property
    def next_time(self) -> float | None:
        """Loop time at which the first postponed move is due; None if there is none."""
        return min((time for time, _ in self._later), default=None)

    def sort(self, busy: Callable[[PartitionKey], tuple[int, ...]]) -> None:
        """Sorts the queues by load, the busiest first; `busy` returns the load of a partition."""
        for pair, queue in self._queues.items():
            ordered = sorted(
                queue, key=lambda planned: (busy(planned.key), planned.key), reverse=True
            )
            self._queues[pair] = deque(ordered)

    def put_off(self, planned: PlannedMove, until: float) -> None:
        """Postpones a move until the loop time `until`."""
        self._later.append((until, planned))

    def forget_topics(self, topic_ids: Collection[bytes]) -> None:
        for pair, queue in self._queues.items():
            self._queues[pair] = deque(
                planned for planned in queue if planned.topic_id not in topic_ids
            )
        self._later = [later for later in self._later if later[1].topic_id not in topic_ids]

    def take(
        self,
        view: ClusterView,
        situation: Situation,
        limits: MoveLimits,
        *,
        busy: Callable[[PartitionKey], tuple[int, ...]],
        now: float,
    ) -> list[PlannedMove]:
        """Removes and returns the moves that may begin now, within the limits.

        Moves that make no progress, or whose members are not ready, do not count towards the
        limits. A partition that does not fit on its target is postponed.
        """
        self._come_back(now)
        moves = [
            move
            for move in view.moves
            if move.phase < MovePhase.COMMIT
            and situation.is_ready(move.source, move.target)
            and move.move_id not in situation.stuck
        ]
        places = limits.moves_max - len(moves)
        members = Counter(chain.from_iterable((move.source, move.target) for move in moves))
        coming: Counter[str] = Counter()
        taken: list[PlannedMove] = []

        def is_free(pair: tuple[str, str]) -> bool:
            has_places = all(members[member] < limits.moves_per_member_max for member in pair)
            return has_places and situation.is_ready(*pair)

        while len(taken) < places:
            heads = [
                queue[0]
                for pair, queue in self._queues.items()
                if is_free(pair) and self._drop_stale(view, queue)
            ]
            if not heads:
                break
            planned = max(heads, key=lambda one: (busy(one.key), one.key))
            self._queues[planned.source, planned.target].popleft()
            if not situation.fits(planned, coming[planned.target]):
                self.put_off(planned, now + NO_ROOM_PAUSE_S)
                continue
            members.update((planned.source, planned.target))
            coming[planned.target] += situation.size_of(planned.key)
            taken.append(planned)
        return taken

    def _drop_stale(self, view: ClusterView, queue: deque[PlannedMove]) -> bool:
        """Drops stale heads. Returns True if a move is left that can begin."""
        while queue:
            head = queue[0]
            placement = view.placement(*head.key)
            is_there = placement is not None and placement.owner == head.source
            if is_there and view.move_of(*head.key) is None:
                return True
            queue.popleft()
        return False

    def _come_back(self, now: float) -> None:
        due = [planned for time, planned in self._later if time <= now]
        self._later = [later for later in self._later if later[0] > now]
        for planned in due:
            self._append(planned)

    def _append(self, planned: PlannedMove) -> None:
        self._queues.setdefault((planned.source, planned.target), deque()).append(planned)


def moves_to(view: ClusterView, member: str) -> list[Move]:
    """Moves to a member that can still be rolled back."""
    moves = view.moves
    return [move for move in moves if move.target == member and move.phase < MovePhase.COMMIT]
