"""The newest batches of all logs in memory, as long as they fit: what live consumers read.

One bound for the process; what was added first leaves first, whatever its log. A log's part always
reaches to its end without holes, so a read either starts inside of it or goes to the store.
"""

from bisect import bisect_left
from collections import deque
from typing import Final

from partition_svc.store.reading import Limits, Run

#: Rough memory of an entry besides its batch.
_ENTRY_BYTES: Final = 200
#: Evicted entries at the front of the lists are cut off in heaps, not one by one.
_CUT_AFTER: Final = 64


class LogTail:
    """The cached part of one log: batches in offset order, the first `_start` of them evicted."""

    __slots__ = ("_batches", "_last_offsets", "_start", "first_offset")

    def __init__(self) -> None:
        self._batches: list[bytes] = []
        self._last_offsets: list[int] = []
        self._start = 0
        #: The first offset that is cached; what comes before is in the store.
        self.first_offset = 0

    def add(self, base_offset: int, last_offset: int, batch: bytes) -> None:
        if self._start == len(self._batches):
            self.first_offset = base_offset
        self._batches.append(batch)
        self._last_offsets.append(last_offset)

    @property
    def is_filled(self) -> bool:
        return self._start < len(self._batches)

    def evict_first(self) -> int:
        """Forgets the oldest batch; returns the memory that is free now."""
        start = self._start
        if start == len(self._batches):
            return 0
        size = len(self._batches[start])
        self._batches[start] = b""
        self.first_offset = self._last_offsets[start] + 1
        self._start = start + 1
        if self._start >= _CUT_AFTER and self._start * 2 > len(self._batches):
            self._cut()
        return size + _ENTRY_BYTES

    def clear(self) -> int:
        """Forgets all of them; returns the memory that is free now."""
        count = len(self._batches) - self._start
        size = sum(map(len, self._batches))
        self._start = len(self._batches)
        self._cut()
        return size + count * _ENTRY_BYTES

    def read(self, offset: int, end_offset: int, limits: Limits) -> Run | None:
        """As `LogReader.read`; None where `offset` is not in this part of the log."""
        bytes_max, pause_bytes, one = limits
        if self._start == len(self._batches) or offset < self.first_offset:
            return None
        last_offsets, batches = self._last_offsets, self._batches
        first = index = bisect_left(last_offsets, offset, self._start)
        end = len(batches)
        size = 0
        while index < end and last_offsets[index] < end_offset:
            size_with_it = size + len(batches[index])
            if size_with_it > bytes_max and not (one and index == first):
                break
            size = size_with_it
            index += 1
            if size >= pause_bytes:
                break
        next_offset = last_offsets[index - 1] + 1 if index > first else offset
        return Run(batches[first:index], size, next_offset)

    def _cut(self) -> None:
        del self._batches[: self._start]
        del self._last_offsets[: self._start]
        self._start = 0


class TailCache:
    """All tails together, at most about `bytes_max`."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._size_bytes = 0
        self._oldest_first: deque[LogTail] = deque()

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def add(self, tail: LogTail, base_offset: int, last_offset: int, batch: bytes) -> None:
        """Adds the newest batch of a log; others leave where there is no room."""
        tail.add(base_offset, last_offset, batch)
        self._oldest_first.append(tail)
        self._size_bytes += len(batch) + _ENTRY_BYTES
        while self._size_bytes > self._bytes_max:
            self._size_bytes -= self._oldest_first.popleft().evict_first()

    def forget_before(self, tail: LogTail, offset: int) -> None:
        """Drops the batches of a log before `offset`: the store has others in their place.

        Their places in the queue stay, and free later batches of the log before their turn.
        """
        while tail.is_filled and tail.first_offset < offset:
            self._size_bytes -= tail.evict_first()

    def forget(self, tail: LogTail) -> None:
        """Drops all batches of a log, which must not use this tail again."""
        # Its places in the queue stay, and free nothing when their turn comes.
        self._size_bytes -= tail.clear()
