"""What members report: how large and how busy logs are, and how far moves are. In memory only.

After a restart nothing is known until the next reports. Nothing here decides anything but order.
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
from metadata_svc.moves.plan import PartitionKey

#: How far back a rate looks.
RATE_WINDOW_S: Final = 15.0

_NOTHING: Final = LogLoad(b"", 0, 0, 0)


#: A move whose target has said so often in a row why it does not get on holds no place any more.
_TROUBLES_MIN: Final = 2


class _Sample(NamedTuple):
    time: float
    copied_bytes: int
    total_bytes: int


class Reports:
    """The newest word on each log, from its owner, and on each move, from its target."""

    def __init__(self, view: ClusterView, *, on_change: Callable[[], None] = lambda: None) -> None:
        """`on_change` is called when a stuck move, or a full disk, may hold up others no longer."""
        self._view = view
        self._loads: dict[PartitionKey, LogLoad] = {}
        self._progress: dict[int, deque[_Sample]] = {}
        self._disks: dict[str, DiskState] = {}
        self._reported: set[str] = set()
        self._troubles: dict[int, str] = {}
        self._troubled: Counter[int] = Counter()
        self._on_change = on_change
        #: Whether loads came since somebody last put this to False.
        self.has_news = False

    def take(self, member: str, report: MemberReport, *, now: float) -> None:
        """What is said of logs that are another's, or of no move of its own, is left out."""
        self._reported.add(member)
        for load in report.loads:
            placement = self._view.placement(load.topic_id, load.partition)
            if placement is not None and placement.owner == member:
                self._loads[load.topic_id, load.partition] = load
                self.has_news = True
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
        self._troubled[move_id] = self._troubled[move_id] + 1 if trouble else 0
        if self._troubled[move_id] == _TROUBLES_MIN:
            self._on_change()

    def forget_topics(self, topic_ids: Iterable[bytes]) -> None:
        gone = set(topic_ids)
        self._loads = {key: one for key, one in self._loads.items() if key[0] not in gone}

    def forget_logs(self, keys: Iterable[PartitionKey]) -> None:
        """These have begun anew: what was said of them is of others."""
        for key in keys:
            self._loads.pop(key, None)

    @property
    def stuck_moves(self) -> frozenset[int]:
        """Ids of moves that do not get on, as their targets say."""
        return frozenset(one for one, n in self._troubled.items() if n >= _TROUBLES_MIN)

    @property
    def unwritable(self) -> frozenset[str]:
        """Names of members that take no appends at the moment."""
        return frozenset(name for name, disk in self._disks.items() if not disk.is_writable)

    def disk(self, member: str) -> DiskState | None:
        """None where it was not reported yet."""
        return self._disks.get(member)

    def room(self) -> dict[str, int]:
        """How many bytes more each member can take, beside what recorded moves still bring."""
        room = {name: disk.room_bytes for name, disk in self._disks.items()}
        stuck = self.stuck_moves
        for move in self._view.moves:
            if move.target in room and move.phase < MovePhase.COMMIT:
                described = self.describe(move)
                left = max(0, described.total_bytes - described.copied_bytes)
                room[move.target] -= 0 if move.move_id in stuck else left
        return room

    def is_sized(self, key: PartitionKey) -> bool:
        """Whether the size is known: a member's first report names every log that has records."""
        placement = self._view.placement(*key)
        return placement is None or placement.owner in self._reported

    def busy(self, key: PartitionKey) -> tuple[int, ...]:
        """Greater for a partition that has more to do; the larger of two idle ones is greater."""
        load = self._loads.get(key, _NOTHING)
        return load.bytes_per_second, load.size_bytes

    def size_bytes(self, key: PartitionKey) -> int:
        """0 where nothing was reported yet."""
        return self._loads.get(key, _NOTHING).size_bytes

    def sizes_by_member(self) -> Counter[str]:
        """Bytes of the logs that each member owns."""
        sizes: Counter[str] = Counter()
        for key, load in self._loads.items():
            if (placement := self._view.placement(*key)) is not None:
                sizes[placement.owner] += load.size_bytes
        return sizes

    def describe(self, move: Move) -> MoveDescription:
        """A recorded move, with what its target said of it."""
        topic = self._view.topic_by_id(move.topic_id)
        name = "" if topic is None else topic.name
        samples = self._progress.get(move.move_id)
        size = self.size_bytes((move.topic_id, move.partition))
        if not samples:
            return MoveDescription(move, name, total_bytes=size)
        last = samples[-1]
        # The target knows nothing of the log before its source has said something.
        total = last.total_bytes or size
        trouble = self._troubles.get(move.move_id, "")
        return MoveDescription(move, name, last.copied_bytes, total, _rate(samples), trouble)

    def _forget_ended_moves(self) -> None:
        for move_id in [one for one in self._progress if self._view.move(one) is None]:
            del self._progress[move_id]
            self._troubles.pop(move_id, None)
            self._troubled.pop(move_id, None)


def _keep_window(samples: deque[_Sample], now: float) -> None:
    """Two samples stay however old they are: there is a rate as soon as there can be."""
    while len(samples) > 2 and samples[0].time < now - RATE_WINDOW_S:
        samples.popleft()


def _rate(samples: deque[_Sample]) -> int:
    """Bytes per second; 0 where it cannot be said, or where a copy was begun anew."""
    first, last = samples[0], samples[-1]
    if last.time <= first.time:
        return 0
    return max(0, int((last.copied_bytes - first.copied_bytes) / (last.time - first.time)))
