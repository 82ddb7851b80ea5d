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

    def add(self, base_offset: int, last_offsets: list[int], batches: list[bytes]) -> None:
        if self._start == len(self._batches):
            self.first_offset = base_offset
        self._batches += batches
        self._last_offsets += last_offsets

    @property
    def is_filled(self) -> bool:
        return self._start < len(self._batches)

    def evict_first(self, count: int = 1) -> int:
        """Forgets the oldest `count` batches; returns the memory that is free now."""
        batches, start = self._batches, self._start
        end = min(start + count, len(batches))
        count = end - start
        if not count:
            return 0
        size = sum(map(len, batches[start:end]))
        batches[start:end] = [b""] * count
        self.first_offset = self._last_offsets[end - 1] + 1
        self._start = end
        if end >= _CUT_AFTER and end * 2 > len(batches):
            self._cut()
        return size + count * _ENTRY_BYTES

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
        self._oldest_first: deque[tuple[LogTail, int]] = deque()

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def add(
        self, tail: LogTail, base_offset: int, last_offsets: list[int], batches: list[bytes]
    ) -> None:
        """Adds the newest batches of a log, of which the first has `base_offset`.

        Others leave where there is no room, those together that came together.
        """
        tail.add(base_offset, last_offsets, batches)
        count = len(batches)
        self._oldest_first.append((tail, count))
        self._size_bytes += sum(map(len, batches)) + count * _ENTRY_BYTES
        while self._size_bytes > self._bytes_max:
            oldest, count = self._oldest_first.popleft()
            self._size_bytes -= oldest.evict_first(count)

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
