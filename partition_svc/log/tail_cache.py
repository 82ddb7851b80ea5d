"""The newest batches of all logs in memory, as long as they fit: what live consumers read.

One bound for the process; what was added first leaves first, whatever its log. A log's part always
reaches to its end without holes, so a read either starts inside of it or goes to the store.
Batches that were added together, a *run*, leave together.
"""

from bisect import bisect_left
from collections import deque
from typing import Final

from common.records.batch import last_offset_of
from partition_svc.store.reading import ReadLimits, Run

#: Rough memory of an entry besides its batch.
_ENTRY_BYTES: Final = 200
#: Evicted entries at the front of the lists are cut off in heaps, not one by one.
_CUT_AFTER: Final = 64
#: Places in the queue that lead to nothing are removed once there are so many more than others.
_STALE_MAX: Final = 1_000
_EVICTED: Final[list[bytes]] = []


class LogTail:
    """The cached part of one log: runs in offset order, the first `_start` of them evicted."""

    __slots__ = ("_last_offsets", "_runs", "_sizes", "_start", "first_offset")

    def __init__(self) -> None:
        # Of each run: its batches, their bytes, and the last offset in it.
        self._runs: list[list[bytes]] = []
        self._sizes: list[int] = []
        self._last_offsets: list[int] = []
        self._start = 0
        #: The first offset that is cached; what comes before is in the store.
        self.first_offset = 0

    def add(self, base_offset: int, last_offset: int, run: list[bytes], size_bytes: int) -> None:
        if self._start == len(self._runs):
            self.first_offset = base_offset
        self._runs.append(run)
        self._sizes.append(size_bytes)
        self._last_offsets.append(last_offset)

    @property
    def is_filled(self) -> bool:
        return self._start < len(self._runs)

    @property
    def run_count(self) -> int:
        return len(self._runs) - self._start

    def evict_first(self) -> int:
        """Forgets the oldest run; returns the memory that is free now."""
        start = self._start
        if start == len(self._runs):
            return 0
        freed = self._sizes[start] + len(self._runs[start]) * _ENTRY_BYTES
        self._runs[start] = _EVICTED
        self.first_offset = self._last_offsets[start] + 1
        self._start = start = start + 1
        if start >= _CUT_AFTER and start * 2 > len(self._runs):
            self._cut()
        return freed

    def clear(self) -> int:
        """Forgets all of them; returns the memory that is free now."""
        freed = 0
        while self.is_filled:
            freed += self.evict_first()
        self._cut()
        return freed

    def read(self, offset: int, end_offset: int, limits: ReadLimits) -> Run | None:
        """As `LogReader.read`; None where `offset` is not in this part of the log."""
        bytes_max, pause_bytes, one = limits
        if self._start == len(self._runs) or offset < self.first_offset:
            return None
        batches: list[bytes] = []
        size, next_offset = 0, offset
        for index in range(bisect_left(self._last_offsets, offset, self._start), len(self._runs)):
            run, last_offset = self._runs[index], self._last_offsets[index]
            size_with_it = size + self._sizes[index]
            if batches and last_offset < end_offset and size_with_it < min(bytes_max, pause_bytes):
                batches += run
                size, next_offset = size_with_it, last_offset + 1
                continue
            for batch in run:
                last_offset = last_offset_of(batch)
                if last_offset < offset:
                    continue
                size_with_it = size + len(batch)
                is_too_much = size_with_it > bytes_max and (batches or not one)
                if last_offset >= end_offset or is_too_much:
                    return Run(batches, size, next_offset)
                batches.append(batch)
                size, next_offset = size_with_it, last_offset + 1
                if size >= pause_bytes:
                    return Run(batches, size, next_offset)
        return Run(batches, size, next_offset)

    def _cut(self) -> None:
        del self._runs[: self._start]
        del self._sizes[: self._start]
        del self._last_offsets[: self._start]
        self._start = 0


class TailCache:
    """All tails together, at most about `bytes_max`."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._size_bytes = 0
        #: A place for each run that was added; those of runs that were forgotten go later.
        self._oldest_first: deque[LogTail] = deque()
        self._run_count = 0

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    @property
    def place_count(self) -> int:
        return len(self._oldest_first)

    def add(self, tail: LogTail, base_offset: int, last_offset: int, run: list[bytes]) -> None:
        """Adds the newest batches of a log, with these offsets; others leave for want of room."""
        size = sum(map(len, run))
        tail.add(base_offset, last_offset, run, size)
        self._oldest_first.append(tail)
        self._run_count += 1
        self._size_bytes += size + len(run) * _ENTRY_BYTES
        while self._size_bytes > self._bytes_max:
            self._evict(self._oldest_first.popleft())

    def forget_before(self, tail: LogTail, offset: int) -> None:
        """Drops the batches of a log before `offset`: the store has others in their place.

        Their places in the queue stay for a while, and free later batches of the log before their
        turn.
        """
        while tail.is_filled and tail.first_offset < offset:
            self._evict(tail)
        self._remove_stale_places()

    def forget(self, tail: LogTail) -> None:
        """Drops all batches of a log, which must not use this tail again."""
        # Its places in the queue free nothing when their turn comes.
        self._run_count -= tail.run_count
        self._size_bytes -= tail.clear()
        self._remove_stale_places()

    def _evict(self, tail: LogTail) -> None:
        if tail.is_filled:
            self._run_count -= 1
            self._size_bytes -= tail.evict_first()

    def _remove_stale_places(self) -> None:
        """Once most places lead to nothing: leaves the newest of each log, one for each run."""
        if len(self._oldest_first) <= 2 * self._run_count + _STALE_MAX:
            return
        left: dict[LogTail, int] = {}
        kept: list[LogTail] = []
        for tail in reversed(self._oldest_first):
            count = left.get(tail, tail.run_count)
            if count:
                kept.append(tail)
            left[tail] = max(0, count - 1)
        self._oldest_first = deque(reversed(kept))
