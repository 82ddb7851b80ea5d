"""The plan of moves: pure, in memory, and made again from the ring when it is lost.

A plan is made when the ring changes, not when topics are: those are placed by the ring already. It
is worked off a few moves at a time, the busiest partitions first, so that a new
member relieves the others soonest.
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

#: After so long it is looked again whether a partition fits on its target.
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
    """How many moves are on their way at once: of all members, and of any one."""

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
    """What is known of members and moves when a plan is worked off.

    `alive`: members that are alive. `unwritable`: those that take no appends; partitions may move
    away from them, which gives them room. `stuck`: ids of moves that do not get on. `room`: how
    many bytes more each member can take; who is not in it has said nothing. `size_of`: bytes of a
    partition, 0 where nobody has said.
    """

    alive: Collection[str]
    unwritable: Collection[str] = ()
    stuck: Collection[int] = ()
    room: Mapping[str, int] = MappingProxyType({})
    size_of: Callable[[PartitionKey], int] = lambda _: 0

    def is_ready(self, source: str, target: str) -> bool:
        """Returns whether a move between two members can get on."""
        return source in self.alive and target in self.alive and target not in self.unwritable

    def fits(self, planned: PlannedMove, taken_bytes: int = 0) -> bool:
        """Returns whether the target has room, where `taken_bytes` more go there already."""
        room = self.room.get(planned.target)
        return room is None or self.size_of(planned.key) + taken_bytes <= room


class Plan:
    """Planned moves, queued by their pair of source and target.

    Only the heads of the queues are looked at: ten thousand waiting cost nothing at each step.
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
        """When the first planned that was put off is due again."""
        return min((time for time, _ in self._later), default=None)

    def sort(self, busy: Callable[[PartitionKey], tuple[int, ...]]) -> None:
        """Puts the busiest first; `busy` grows with what a partition has to do."""
        for pair, queue in self._queues.items():
            ordered = sorted(
                queue, key=lambda planned: (busy(planned.key), planned.key), reverse=True
            )
            self._queues[pair] = deque(ordered)

    def put_off(self, planned: PlannedMove, until: float) -> None:
        """Wanted again, not before `until`."""
        self._later.append((until, planned))

    def forget_topics(self, topic_ids: Collection[bytes]) -> None:
        for pair, queue in self._queues.items():
            self._queues[pair] = deque(one for one in queue if one.topic_id not in topic_ids)
        self._later = [one for one in self._later if one[1].topic_id not in topic_ids]

    def take(
        self,
        view: ClusterView,
        situation: Situation,
        limits: MoveLimits,
        *,
        busy: Callable[[PartitionKey], tuple[int, ...]],
        now: float,
    ) -> list[PlannedMove]:
        """Takes out what may begin now: as many as limits allow, between members that are ready.

        A move that stands still, because a member of it is not ready or it does not get on, takes
        no other's place. A partition that does not fit on its target is put off.
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
        members = Counter(chain.from_iterable((one.source, one.target) for one in moves))
        coming: Counter[str] = Counter()
        taken: list[PlannedMove] = []

        def is_free(pair: tuple[str, str]) -> bool:
            has_places = all(members[one] < limits.moves_per_member_max for one in pair)
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
        """Lets the head be one that can begin. Returns whether there is one."""
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
        self._later = [one for one in self._later if one[0] > now]
        for planned in due:
            self._append(planned)

    def _append(self, planned: PlannedMove) -> None:
        self._queues.setdefault((planned.source, planned.target), deque()).append(planned)


def moves_to(view: ClusterView, member: str) -> list[Move]:
    """Moves that bring something to a member and can still be given up."""
    moves = view.moves
    return [one for one in moves if one.target == member and one.phase < MovePhase.COMMIT]
