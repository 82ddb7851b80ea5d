"""A cache of the newest batches of all logs, which most consumers read.

The limit is for the process; the oldest entry is evicted first, whatever its log. The cached part
of a log always reaches to its end without gaps, so a read either begins inside of it or goes to the
store. Batches that were added together, a *run*, are evicted together.
"""

from bisect import bisect_left
from collections import deque
from typing import Final

from common.records.batch import last_offset_of
from partition_svc.store.reading import ReadLimits, Run

#: Estimated memory of an entry besides its batch.
_ENTRY_BYTES: Final = 200
#: Evicted entries at the front of the lists are removed in bulk once there are this many.
_CUT_AFTER: Final = 64
#: Stale queue entries are removed once there are this many more than others.
_STALE_MAX: Final = 1_000
_EVICTED: Final[list[bytes]] = []


class LogTail:
    """The cached part of one log: runs in offset order, the first `_start` of them evicted."""

    __slots__ = ("_last_offsets", "_runs", "_sizes", "_start", "first_offset")

    def __init__(self) -> None:
        # One entry for each run: its batches, their bytes, and its last offset.
        self._runs: list[list[bytes]] = []
        self._sizes: list[int] = []
        self._last_offsets: list[int] = []
        self._start = 0
        #: The first cached offset; earlier ones are in the store.
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
        """Evicts the oldest run; returns the memory that it took."""
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
        """Evicts all runs; returns the memory that they took."""
        freed = 0
        while self.is_filled:
            freed += self.evict_first()
        self._cut()
        return freed

    def read(self, offset: int, end_offset: int, limits: ReadLimits) -> Run | None:
        """Reads as `LogReader.read` does; returns None if `offset` is not cached."""
        bytes_max, pause_bytes, one = limits
        if self._start == len(self._runs) or offset < self.first_offset:
            return None
        batches: list[bytes] = []
        size, next_offset = 0, offset
        for index in range(bisect_left(self._last_offsets, offset, self._start), len(self._runs)):
            run, last_offset = self._runs[index], self._last_offsets[index]
            new_size = size + self._sizes[index]
            if batches and last_offset < end_offset and new_size < min(bytes_max, pause_bytes):
                batches += run
                size, next_offset = new_size, last_offset + 1
                continue
            for batch in run:
                last_offset = last_offset_of(batch)
                if last_offset < offset:
                    continue
                new_size = size + len(batch)
                is_too_much = new_size > bytes_max and (batches or not one)
                if last_offset >= end_offset or is_too_much:
                    return Run(batches, size, next_offset)
                batches.append(batch)
                size, next_offset = new_size, last_offset + 1
                if size >= pause_bytes:
                    return Run(batches, size, next_offset)
        return Run(batches, size, next_offset)

    def _cut(self) -> None:
        del self._runs[: self._start]
        del self._sizes[: self._start]
        del self._last_offsets[: self._start]
        self._start = 0


class TailCache:
    """The tails of all logs, together at most about `bytes_max`."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._size_bytes = 0
        #: An entry for each run that was added; entries of forgotten runs are removed later.
        self._oldest_first: deque[LogTail] = deque()
        self._run_count = 0

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def add(self, tail: LogTail, base_offset: int, last_offset: int, run: list[bytes]) -> None:
        """Adds the newest batches of a log; evicts the oldest runs over the limit."""
        size = sum(map(len, run))
        tail.add(base_offset, last_offset, run, size)
        self._oldest_first.append(tail)
        self._run_count += 1
        self._size_bytes += size + len(run) * _ENTRY_BYTES
        while self._size_bytes > self._bytes_max:
            self._evict(self._oldest_first.popleft())

    def forget_before(self, tail: LogTail, offset: int) -> None:
        """Drops the batches of a log before `offset`, which the store has replaced.

        Their queue entries stay for a while, and evict later batches of the log early.
        """
        while tail.is_filled and tail.first_offset < offset:
            self._evict(tail)
        self._remove_stale_entries()

    def forget(self, tail: LogTail) -> None:
        """Drops all batches of a log, which must not use this tail again."""
        # Its queue entries evict nothing later.
        self._run_count -= tail.run_count
        self._size_bytes -= tail.clear()
        self._remove_stale_entries()

    def _evict(self, tail: LogTail) -> None:
        if tail.is_filled:
            self._run_count -= 1
            self._size_bytes -= tail.evict_first()

    def _remove_stale_entries(self) -> None:
        """Once most entries are stale: keeps the newest of each log, one for each run."""
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
