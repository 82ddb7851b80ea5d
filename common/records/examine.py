"""Checks all records of a batch in one pass, without creating objects for them.

Sources: LogValidator.validateRecord (times, keys, offsets), DefaultRecord.readFrom and
DefaultRecordBatch.ensureNoneRemaining (lengths) of Apache Kafka. Records that pass can be read by
`records.read_records` and by every client.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from common.records.batch import NO_TIMESTAMP, BatchHeader, record_headers_max
from common.records.errors import CorruptRecords
from common.records.varint import decode_varint

TIMESTAMP_MAX: Final = (1 << 63) - 1
#: Limit of records listed in `Findings`: 60 bytes can hold hundreds of wrong records, and the list
#: takes memory until the response is sent.
NAMED_MAX: Final = 500
#: Records between two calls of `pause`, which take less than a millisecond.
_PIECE_RECORDS: Final = 1024
#: Less than any timestamp delta.
_OLDEST: Final = -1 << 64


class Constraints(NamedTuple):
    """Rules that depend on the topic. Times are milliseconds since the epoch, both inclusive.

    A record without a timestamp (-1) is in any range.
    """

    earliest: int = 0
    latest: int = TIMESTAMP_MAX
    has_keys: bool = False


class Findings(NamedTuple):
    """The result of `examine`. Records are given by their position in the batch, from 0.

    `wrong_times` (with the timestamps) and `missing_keys` hold the first `NAMED_MAX` of them.
    `max_timestamp` is -1 if no record has a timestamp.
    """

    max_timestamp: int
    wrong_times: list[tuple[int, int]]
    missing_keys: list[int]


def examine(
    data: bytes,
    header: BatchHeader,
    constraints: Constraints,
    *,
    headers_max: int | None = None,
    pause: Callable[[], None] | None = None,
) -> Findings:
    """Checks every record of a batch; `data` is the result of `records.inflate`.

    The records may have `headers_max` headers together; the default is `record_headers_max`. A
    thread that examines a large batch passes `pause`, which should release the GIL.

    Raises:
        CorruptRecords: lengths, offsets or the number of records contradict each other, or there
            are too many headers.
    """
    if headers_max is None:
        headers_max = record_headers_max(header.size)
    headers = _Headers(headers_max, pause)
    findings = Findings(NO_TIMESTAMP, [], [])
    count, position, newest = header.record_count, 0, NO_TIMESTAMP
    for first in range(0, count, _PIECE_RECORDS):
        if first and pause is not None:
            pause()
        piece = range(first, min(first + _PIECE_RECORDS, count))
        position, latest = _walk(
            data, position, piece, header.base_timestamp, constraints, findings, headers
        )
        newest = max(newest, latest)
    if position != len(data):
        raise CorruptRecords("there are bytes after the last record of the batch")
    return findings._replace(max_timestamp=newest)


def _walk(  # noqa: C901, PLR0913 - a call for each part of a record would double its time
    data: bytes,
    position: int,
    piece: range,
    base: int,
    constraints: Constraints,
    findings: Findings,
    headers: "_Headers",
) -> tuple[int, int]:
    """Checks the records `piece`; returns the position after them and their newest timestamp.

    Varints of one byte, which most are, are decoded inline: in zigzag, odd ones are negative.
    """
    earliest, latest, has_keys = constraints[0] - base, constraints[1] - base, constraints[2]
    newest = _OLDEST
    try:
        for index in piece:
            size = data[position]
            if size < 0x80:
                position += 1
            elif (high := data[position + 1]) < 0x80:
                size = size & 0x7F | high << 7
                position += 2
            else:
                number, position = decode_varint(data, position)
                size = number << 1
            # A negative size ends nowhere.
            end = position + (size >> 1) if not size & 1 else 0
            # The attributes are one unused byte. kafka-python and aiokafka decode them as a varint,
            # so a large byte makes them misread the record.
            if data[position] > 0x7F:
                raise CorruptRecords("a record has attributes that clients misread")
            delta = data[position + 1]
            if delta < 0x80:
                position += 2
                delta = (delta >> 1) ^ -(delta & 1)
            else:
                delta, position = decode_varint(data, position + 1)
            if delta > newest:
                newest = delta
            if not earliest <= delta <= latest:
                _note_time(index, base + delta, findings)
            offset = data[position]
            if offset < 0x80:
                position += 1
                is_next = offset == index << 1
            else:
                offset, position = decode_varint(data, position)
                is_next = offset == index
            size = data[position]
            if size < 0x80:
                position += 1
                size = (size >> 1) ^ -(size & 1)
            else:
                size, position = decode_varint(data, position)
            if size >= 0:
                position += size
            elif has_keys:
                _note_key(index, findings)
            size = data[position]
            if size < 0x80:
                position += 1
            elif (high := data[position + 1]) < 0x80:
                size = size & 0x7F | high << 7
                position += 2
            else:
                number, position = decode_varint(data, position)
                size = number << 1 if number >= 0 else 1
            if not size & 1:
                position += size >> 1
            position = position + 1 if not data[position] else headers.end(data, position)
            if position != end or not is_next:
                raise CorruptRecords("a record contradicts its own length or its batch")
    except IndexError as error:
        raise CorruptRecords("the batch ends within a record") from error
    return position, base + newest


def _note_time(index: int, timestamp: int, findings: Findings) -> None:
    if timestamp != NO_TIMESTAMP and len(findings.wrong_times) < NAMED_MAX:
        findings.wrong_times.append((index, timestamp))


def _note_key(index: int, findings: Findings) -> None:
    if len(findings.missing_keys) < NAMED_MAX:
        findings.missing_keys.append(index)


class _Headers:
    """Checks record headers, of which a batch may have `count_max` together."""

    def __init__(self, count_max: int, pause: Callable[[], None] | None) -> None:
        self._left = count_max
        self._pause = pause

    def end(self, data: bytes, position: int) -> int:
        """Returns the end of the headers of a record, whose count is at `position`."""
        count, position = decode_varint(data, position)
        if not 0 <= count <= len(data) - position:
            raise CorruptRecords("a record has an impossible number of headers")
        left = self._left
        self._left -= count
        if self._left < 0:
            raise CorruptRecords("the records have more headers than their batch has room for")
        for number in range(left, self._left, -1):
            if number % _PIECE_RECORDS == 0 and self._pause is not None:
                self._pause()
            size, position = decode_varint(data, position)
            if size < 0:
                raise CorruptRecords("a record header has no key")
            size, position = decode_varint(data, position + size)
            position += max(size, 0)
        return position
