"""Members' reports of log sizes, append rates, disk space and move progress. In memory only.

After a restart they are missing until members report again. Correctness does not depend on them:
they affect only the order and the timing of moves.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from common.cluster.view import ClusterView
from common.ports.moves import (
    DiskState,
    LogLoad,
    MemberReport,
    Move,
    MoveDescription,
    MovePhase,
)
from metadata_svc.moves.plan import PartitionKey, PartitionLoad

#: Time window over which a move's rate is computed.
RATE_WINDOW_S: Final = 15.0

_NOTHING: Final = LogLoad(b"", 0, 0, 0)

#: Number of consecutive reports of trouble after which a move is stuck; a stuck move no longer
#: counts against the limits of concurrent moves.
_TROUBLES_MIN: Final = 2


class _Sample(NamedTuple):
    time: float
    copied_bytes: int
    total_bytes: int


class LoadReports:
    """The newest report on each log, from its owner, and on each move, from its target."""

    def __init__(self, view: ClusterView, *, on_change: Callable[[], None] = lambda: None) -> None:
        """`on_change` is called when a move becomes stuck or a disk becomes (un)writable."""
        self._view = view
        self._loads: dict[PartitionKey, LogLoad] = {}
        self._progress: dict[int, deque[_Sample]] = {}
        self._disks: dict[str, DiskState] = {}
        self._reported: set[str] = set()
        self._troubles: dict[int, str] = {}
        self._trouble_counts: Counter[int] = Counter()
        self._on_change = on_change
        #: True if loads were reported since the caller last set this to False.
        self.has_new_loads = False

    def record(self, member: str, report: MemberReport, *, now: float) -> None:
        """Stores a report; ignores logs that `member` does not own and moves not targeting it."""
        self._reported.add(member)
        for log_load in report.loads:
            placement = self._view.placement(log_load.topic_id, log_load.partition)
            if placement is not None and placement.owner == member:
                self._loads[log_load.topic_id, log_load.partition] = log_load
                self.has_new_loads = True
        for move_id, copied, total, trouble in report.progress:
            move = self._view.move(move_id)
            if move is not None and move.target == member:
                samples = self._progress.setdefault(move_id, deque())
                samples.append(_Sample(now, copied, total))
                _keep_window(samples, now)
                self._note_trouble(move_id, trouble)
        if report.disk is not None:
            before, self._disks[member] = self._disks.get(member), report.disk
            if before is not None and before.is_writable != report.disk.is_writable:
                self._on_change()
        self._forget_ended_moves()

    def _note_trouble(self, move_id: int, trouble: str) -> None:
        self._troubles[move_id] = trouble
        self._trouble_counts[move_id] = self._trouble_counts[move_id] + 1 if trouble else 0
        if self._trouble_counts[move_id] == _TROUBLES_MIN:
            self._on_change()

    def forget_topics(self, topic_ids: Iterable[bytes]) -> None:
        """Removes the loads of deleted topics."""
        gone = set(topic_ids)
        self._loads = {key: load for key, load in self._loads.items() if key[0] not in gone}

    def forget_logs(self, keys: Iterable[PartitionKey]) -> None:
        """Removes the loads of logs that were recreated empty."""
        for key in keys:
            self._loads.pop(key, None)

    @property
    def stuck_moves(self) -> frozenset[int]:
        """Returns the ids of moves that make no progress according to their targets."""
        counts = self._trouble_counts.items()
        return frozenset(move_id for move_id, count in counts if count >= _TROUBLES_MIN)

    @property
    def unwritable(self) -> frozenset[str]:
        """Returns the names of members that currently reject appends."""
        return frozenset(name for name, disk in self._disks.items() if not disk.is_writable)

    def disk(self, member: str) -> DiskState | None:
        """Returns the last reported disk state of a member, or None before its first report."""
        return self._disks.get(member)

    def room(self) -> dict[str, int]:
        """Returns the free bytes of each member after the recorded moves to it are complete."""
        room = {name: disk.room_bytes for name, disk in self._disks.items()}
        stuck = self.stuck_moves
        for move in self._view.moves:
            if move.target in room and move.phase < MovePhase.COMMIT:
                described = self.describe(move)
                left = max(0, described.total_bytes - described.copied_bytes)
                room[move.target] -= 0 if move.move_id in stuck else left
        return room

    def is_sized(self, key: PartitionKey) -> bool:
        """True if the size is known: a member's first report names every log with records."""
        placement = self._view.placement(*key)
        return placement is None or placement.owner in self._reported

    def load(self, key: PartitionKey) -> PartitionLoad:
        """Returns a sort key: append rate, then size; greater for busier partitions."""
        load = self._loads.get(key, _NOTHING)
        return load.bytes_per_second, load.size_bytes

    def size_bytes(self, key: PartitionKey) -> int:
        """Returns the last reported size of a log; 0 before the first report."""
        return self._loads.get(key, _NOTHING).size_bytes

    def sizes_by_member(self) -> Counter[str]:
        """Returns the total size of the logs that each member owns, in bytes."""
        sizes: Counter[str] = Counter()
        for key, load in self._loads.items():
            if (placement := self._view.placement(*key)) is not None:
                sizes[placement.owner] += load.size_bytes
        return sizes

    def describe(self, move: Move) -> MoveDescription:
        """Returns a recorded move with the progress that its target reported."""
        topic = self._view.topic_by_id(move.topic_id)
        name = "" if topic is None else topic.name
        samples = self._progress.get(move.move_id)
        size = self.size_bytes((move.topic_id, move.partition))
        if not samples:
            return MoveDescription(move, name, total_bytes=size)
        last = samples[-1]
        # The target does not know the size before the first response of the source.
        total = last.total_bytes or size
        trouble = self._troubles.get(move.move_id, "")
        return MoveDescription(move, name, last.copied_bytes, total, _rate(samples), trouble)

    def _forget_ended_moves(self) -> None:
        ended = [move_id for move_id in self._progress if self._view.move(move_id) is None]
        for move_id in ended:
            del self._progress[move_id]
            self._troubles.pop(move_id, None)
            self._trouble_counts.pop(move_id, None)


def _keep_window(samples: deque[_Sample], now: float) -> None:
    """Removes samples older than the window, but keeps two so that a rate can be computed."""
    while len(samples) > 2 and samples[0].time < now - RATE_WINDOW_S:
        samples.popleft()


def _rate(samples: deque[_Sample]) -> int:
    """Returns bytes per second; 0 if it is unknown or the copy was restarted."""
    first, last = samples[0], samples[-1]
    if last.time <= first.time:
        return 0
    return max(0, int((last.copied_bytes - first.copied_bytes) / (last.time - first.time)))
