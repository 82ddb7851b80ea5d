"""Rows of a log's time index whose batches compaction has removed.

Without a row a search by timestamp begins at an earlier one and reads a little more; the result is
the same.
"""

from collections.abc import Collection
from typing import Final

from partition_svc.store.keys import LAST, time_key, unpack_time_key
from partition_svc.store.reading import LogReader

#: Bytes of rows that are read in one iteration of the event loop.
_ROWS_BYTES: Final = 16 << 10


class StaleTimeIndex:
    """The stale rows of one log, in order: timestamps and offsets of its rows grow together."""

    def __init__(self, reader: LogReader, log_key: bytes) -> None:
        self._reader = reader
        self._start = time_key(log_key, 0, 0)
        self._end = time_key(log_key, LAST, LAST)

    def next(self, end_offset: int, kept: Collection[int]) -> tuple[list[bytes], bool]:
        """Returns keys of the next stale rows, and True if there are no more before `end_offset`.

        `kept` are the last offsets of the batches that exist between the last `end_offset` and
        this one. Raises `StorageFailed`.
        """
        stale: list[bytes] = []
        rows, is_all = self._reader.some_rows(self._start, self._end, _ROWS_BYTES)
        for key, _ in rows:
            _, last_offset = unpack_time_key(key)
            if last_offset >= end_offset:
                return stale, True
            self._start = key + b"\0"
            if last_offset not in kept:
                stale.append(key)
        return stale, is_all
