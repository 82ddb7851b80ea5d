"""Reads of the store: every look-up is a seek, none scans a log.

A read finds the segment row at or before the offset, reads that generation's batches, and continues
with the next segment.
"""

from collections.abc import Iterator
from typing import NamedTuple

from rocksdict import RdictIter

from partition_svc.store.database import Database
from partition_svc.store.keys import (
    HEADS,
    INCOMING,
    LAST,
    CopyMarker,
    LogHead,
    batch_prefix,
    compacted_key,
    epoch_key,
    family_of,
    numbered,
    pack_u64,
    producer_key,
    segment_key,
    time_key,
    unpack_segment,
    unpack_time_key,
)
from partition_svc.store.read_failures import ReadFailures

#: A row of state without its log: kind, the rest of the key, value.
Row = tuple[bytes, bytes, bytes]


class Run(NamedTuple):
    """Consecutive whole batches, and the offset after the last of them."""

    batches: list[bytes]
    size_bytes: int
    next_offset: int


class ReadLimits(NamedTuple):
    """Limits of a read: at most `bytes_max` of whole batches, ending after `pause_bytes`.

    With `at_least_one` the first batch is returned even if it alone is larger than `bytes_max`.
    """

    bytes_max: int
    pause_bytes: int
    at_least_one: bool


class LogReader:
    """Reads one database. `log` is always a `log_key`.

    All methods raise `StorageFailed` on I/O errors and failed checksums.
    """

    def __init__(self, database: Database, failures: ReadFailures) -> None:
        self._failures = failures
        self._state = database.state
        self._families = database.batch_families

    def read(self, log: bytes, offset: int, end_offset: int, limits: ReadLimits) -> Run:
        """Batches from the one that contains `offset` up to `end_offset`.

        Returns fewer if the next cannot be read: only a read that begins there fails.
        """
        bytes_max, pause_bytes, at_least_one = limits
        found: list[bytes] = []
        size = 0
        next_offset = offset
        try:
            for last_offset, batch in self._from(log, offset, end_offset):
                if size + len(batch) > bytes_max and not (at_least_one and not found):
                    break
                found.append(batch)
                size += len(batch)
                next_offset = last_offset + 1
                if size >= pause_bytes:
                    break
        except Exception as error:
            failed = self._failures.in_batches(log, next_offset, error)
            if not found:
                raise failed from error
        return Run(found, size, next_offset)

    def _from(self, log: bytes, offset: int, end_offset: int) -> Iterator[tuple[int, bytes]]:
        """Last offset and bytes of each batch from `offset` to `end_offset`."""
        iterators: list[RdictIter | None] = [None] * len(self._families)
        for base, segment_end, generation in self._segments_from(log, offset):
            prefix = batch_prefix(generation, log)
            family = family_of(prefix)
            iterator = iterators[family]
            if iterator is None:
                iterator = iterators[family] = self._families[family].iter()
            offset = max(offset, base)
            iterator.seek(prefix + pack_u64(offset))
            # Never steps beyond the segment: a step may pass many keys that compaction deleted.
            while offset < segment_end and iterator.valid():
                key = iterator.key()
                last_offset = int.from_bytes(key[-8:], "big")
                if not key.startswith(prefix) or last_offset >= segment_end:
                    break
                if last_offset >= end_offset:
                    return
                yield last_offset, iterator.value()
                offset = last_offset + 1
                if offset < segment_end:
                    iterator.next()
            iterator.status()

    def _segments_from(self, log: bytes, offset: int) -> Iterator[tuple[int, int, int]]:
        """Base offset, end and generation of the segments from the one that contains `offset`.

        Begins with the first existing segment if compaction has removed those before it.
        """
        prefix = segment_key(log, 0)[:-8]
        segments = self._state.iter()
        segments.seek_for_prev(segment_key(log, offset))
        if not segments.valid() or not segments.key().startswith(prefix):
            # An I/O error must not look like a log that begins later.
            segments.status()
            segments.seek(prefix)
        found: tuple[int, int] | None = None
        while segments.valid() and segments.key().startswith(prefix):
            base = numbered(segments.key())
            if found is not None:
                yield found[0], base, found[1]
            found = base, unpack_segment(segments.value())[0]
            segments.next()
        segments.status()
        if found is not None:
            yield found[0], LAST, found[1]

    def segments(self, log: bytes) -> Iterator[tuple[int, int, int]]:
        """Base offset, generation and bytes before, of all segments of a log."""
        for key, row in self.rows(segment_key(log, 0), segment_key(log, LAST)):
            yield (numbered(key), *unpack_segment(row))

    def last_segment(self, log: bytes) -> tuple[int, int]:
        """Generation of the last segment of a log (-1 for none), and the bytes before it."""
        row = self.last_row(segment_key(log, 0), segment_key(log, LAST))
        return (-1, 0) if row is None else unpack_segment(row[1])

    def producers(self, log: bytes) -> Iterator[tuple[int, bytes]]:
        """Producer id and row of all producers of a log."""
        for key, row in self.rows(producer_key(log, 0), producer_key(log, LAST)):
            yield numbered(key), row

    def epochs(self, log: bytes) -> Iterator[tuple[int, int]]:
        """Leader epoch and offset of its first batch, of all epochs of a log."""
        for key, row in self.rows(epoch_key(log, 0), epoch_key(log, LAST)):
            yield numbered(key), int.from_bytes(row, "big")

    def compacted_to(self, log: bytes) -> int:
        """The offset before which a log has been compacted."""
        row = self.row(compacted_key(log))
        return 0 if row is None else int.from_bytes(row, "big")

    def offset_before_time(self, log: bytes, timestamp: int) -> int:
        """An offset up to which no record has `timestamp` or later; -1 if none is known.

        The first record of that time, if there is one, is soon after it.
        """
        row = self.last_row(time_key(log, 0, 0), time_key(log, timestamp, 0))
        return -1 if row is None else unpack_time_key(row[0])[1]

    def heads(self) -> Iterator[tuple[bytes, LogHead]]:
        """Log key and head of every log that was ever written to."""
        for key, row in self.rows(HEADS, HEADS + b"\xff" * 21):
            yield key[1:], LogHead.unpack(row)

    def incoming(self) -> Iterator[tuple[bytes, CopyMarker]]:
        """Log key and copy marker of every log that is, or was until now, the copy of a move."""
        for key, row in self.rows(INCOMING, INCOMING + b"\xff" * 21):
            yield key[1:], CopyMarker.unpack(row)

    def rows(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows of state with start <= key < end, in the order of keys."""
        key = start
        try:
            iterator = self._state.iter()
            iterator.seek(start)
            while iterator.valid() and (key := iterator.key()) < end:
                yield key, iterator.value()
                iterator.next()
            iterator.status()
        except Exception as error:
            raise self._failures.in_row(key, error) from error

    def some_rows(
        self, start: bytes, end: bytes, bytes_max: int
    ) -> tuple[list[tuple[bytes, bytes]], bool]:
        """The first rows with start <= key < end up to about `bytes_max`; True if these are all."""
        found: list[tuple[bytes, bytes]] = []
        for key, row in self.rows(start, end):
            if bytes_max <= 0:
                return found, False
            bytes_max -= len(key) + len(row)
            found.append((key, row))
        return found, True

    def row(self, key: bytes) -> bytes | None:
        try:
            row: bytes | None = self._state.get(key)
        except Exception as error:
            raise self._failures.in_row(key, error) from error
        return row

    def last_row(self, start: bytes, end: bytes) -> tuple[bytes, bytes] | None:
        """The last row with start <= key < end."""
        try:
            iterator = self._state.iter()
            iterator.seek_for_prev(end)
            if iterator.valid() and iterator.key() == end:
                iterator.prev()
            # An iterator that met an I/O error looks like one at its end until `status` is called.
            iterator.status()
            if not iterator.valid() or iterator.key() < start:
                return None
            return iterator.key(), iterator.value()
        except Exception as error:
            raise self._failures.in_row(start, error) from error
