"""Rows of a log's time index that compaction has left without their batches.

Without a row a search by time begins at an earlier one and reads a little more; it finds the same.
"""

from collections.abc import Collection
from typing import Final

from partition_svc.store.keys import LAST, time_key, unpack_time_key
from partition_svc.store.reading import LogReader

#: Rows that are looked at in one turn of the loop.
_ROWS_BYTES: Final = 16 << 10


class StaleTimeIndex:
    """Of one log, from its beginning on: timestamps and offsets of its rows grow together."""

    def __init__(self, reader: LogReader, log_key: bytes) -> None:
        self._reader = reader
        self._start = time_key(log_key, 0, 0)
        self._end = time_key(log_key, LAST, LAST)

    def next(self, end_offset: int, kept: Collection[int]) -> tuple[list[bytes], bool]:
        """Keys of the next rows that may go, and whether these were all before `end_offset`.

        `kept` are the last offsets of the batches that are there between the last `end_offset` and
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
