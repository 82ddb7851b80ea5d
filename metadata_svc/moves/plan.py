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
#: A sort key: append rate, then size.
PartitionLoad = tuple[int, ...]

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


class MoveConstraints(NamedTuple):
    """State of members and moves that constrains which planned moves may begin.

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

    def running_moves(self, view: ClusterView) -> list[Move]:
        """Returns the moves that count towards the limits."""
        return [
            move
            for move in view.moves
            if move.phase < MovePhase.COMMIT
            and self.is_ready(move.source, move.target)
            and move.move_id not in self.stuck
        ]

    def fits(self, planned: PlannedMove, incoming_bytes: int = 0) -> bool:
        """True if the target has room beside `incoming_bytes` that are moving there already."""
        room = self.room.get(planned.target)
        return room is None or self.size_of(planned.key) + incoming_bytes <= room


class MovePlan:
    """Planned moves, queued by their pair of source and target.

    Only the heads of the queues are examined, so ten thousand planned moves cost nothing at a step.
    """

    def __init__(self, moves: Iterable[PlannedMove] = ()) -> None:
        self._queues: dict[tuple[str, str], deque[PlannedMove]] = {}
        self._postponed: list[tuple[float, PlannedMove]] = []
        for planned in moves:
            self._append(planned)

    def __len__(self) -> int:
        return sum(map(len, self._queues.values())) + len(self._postponed)

    def __iter__(self) -> Iterator[PlannedMove]:
        return chain(
            chain.from_iterable(self._queues.values()), (planned for _, planned in self._postponed)
        )

    @property
    def next_time(self) -> float | None:
        """Loop time at which the first postponed move is due; None if there is none."""
        return min((time for time, _ in self._postponed), default=None)

    def sort(self, load: Callable[[PartitionKey], PartitionLoad]) -> None:
        """Sorts the queues by load, the busiest first; `load` returns the load of a partition."""
        for pair, queue in self._queues.items():
            ordered = sorted(
                queue, key=lambda planned: (load(planned.key), planned.key), reverse=True
            )
            self._queues[pair] = deque(ordered)

    def postpone(self, planned: PlannedMove, until: float) -> None:
        """Postpones a move until the loop time `until`."""
        self._postponed.append((until, planned))

    def forget_topics(self, topic_ids: Collection[bytes]) -> None:
        for pair, queue in self._queues.items():
            self._queues[pair] = deque(
                planned for planned in queue if planned.topic_id not in topic_ids
            )
        self._postponed = [
            (time, planned)
            for time, planned in self._postponed
            if planned.topic_id not in topic_ids
        ]

    def pop_ready(
        self,
        view: ClusterView,
        constraints: MoveConstraints,
        limits: MoveLimits,
        *,
        load: Callable[[PartitionKey], PartitionLoad],
        now: float,
    ) -> list[PlannedMove]:
        """Removes and returns the moves that may begin now, within the limits.

        Moves that make no progress, or whose members are not ready, do not count towards the
        limits. A partition that does not fit on its target is postponed.
        """
        self._requeue_due(now)
        running = constraints.running_moves(view)
        moves_of = Counter(chain.from_iterable((move.source, move.target) for move in running))
        incoming_bytes: Counter[str] = Counter()
        ready: list[PlannedMove] = []

        def may_begin(pair: tuple[str, str]) -> bool:
            is_within = all(moves_of[member] < limits.moves_per_member_max for member in pair)
            return is_within and constraints.is_ready(*pair)

        while len(running) + len(ready) < limits.moves_max:
            planned = self._pop_busiest(view, may_begin, load)
            if planned is None:
                break
            if not constraints.fits(planned, incoming_bytes[planned.target]):
                self.postpone(planned, now + NO_ROOM_PAUSE_S)
                continue
            moves_of.update((planned.source, planned.target))
            incoming_bytes[planned.target] += constraints.size_of(planned.key)
            ready.append(planned)
        return ready

    def _pop_busiest(
        self,
        view: ClusterView,
        may_begin: Callable[[tuple[str, str]], bool],
        load: Callable[[PartitionKey], PartitionLoad],
    ) -> PlannedMove | None:
        """Removes and returns the busiest head of the queues whose members permit a move."""
        heads = [
            queue[0]
            for pair, queue in self._queues.items()
            if may_begin(pair) and self._drop_stale(view, queue)
        ]
        if not heads:
            return None
        planned = max(heads, key=lambda head: (load(head.key), head.key))
        self._queues[planned.source, planned.target].popleft()
        return planned

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

    def _requeue_due(self, now: float) -> None:
        due = [planned for time, planned in self._postponed if time <= now]
        self._postponed = [(time, planned) for time, planned in self._postponed if time > now]
        for planned in due:
            self._append(planned)

    def _append(self, planned: PlannedMove) -> None:
        self._queues.setdefault((planned.source, planned.target), deque()).append(planned)


def moves_to(view: ClusterView, member: str) -> list[Move]:
    """Moves to a member that can still be rolled back."""
    moves = view.moves
    return [move for move in moves if move.target == member and move.phase < MovePhase.COMMIT]
