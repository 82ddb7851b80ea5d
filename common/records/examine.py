"""Checks the records of a batch, all of them in one pass, without making them.

Sources: LogValidator.validateRecord (times, keys, offsets), DefaultRecord.readFrom and
DefaultRecordBatch.ensureNoneRemaining (lengths) of Apache Kafka. What passes here can be read by
`records.read_records` and by every client.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from common.records.batch import NO_TIMESTAMP, BatchHeader, record_headers_max
from common.records.errors import CorruptRecords
from common.records.varint import decode_varint

TIMESTAMP_MAX: Final = (1 << 63) - 1
#: Records that are named in `Findings`: 60 bytes can claim some hundred of them, and their names
#: take memory until they are sent.
NAMED_MAX: Final = 500
#: Records that are checked before `pause` is called: less than a millisecond.
_PIECE_RECORDS: Final = 1024
#: No record's delta is as old.
_OLDEST: Final = -1 << 64


class Demands(NamedTuple):
    """The rules that depend on the topic. Times are milliseconds since the epoch, both included.

    A record without a timestamp (-1) meets any range.
    """

    earliest: int = 0
    latest: int = TIMESTAMP_MAX
    has_keys: bool = False


class Findings(NamedTuple):
    """The result of `examine`. Records are named by their position in the batch, from 0.

    `wrong_times` (with the timestamps) and `missing_keys` hold the first `NAMED_MAX` of them.
    `max_timestamp` is -1 where no record has a timestamp.
    """

    max_timestamp: int
    wrong_times: list[tuple[int, int]]
    missing_keys: list[int]


def examine(
    data: bytes,
    header: BatchHeader,
    demands: Demands,
    *,
    headers_max: int | None = None,
    pause: Callable[[], None] | None = None,
) -> Findings:
    """Checks every record of a batch; `data` is what `records.inflate` makes of it.

    The records may have `headers_max` headers together; None stands for `record_headers_max`.
    A thread that examines a large batch passes `pause`, which is called now and then and should let
    others run.

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
            data, position, piece, header.base_timestamp, demands, findings, headers
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
    demands: Demands,
    findings: Findings,
    headers: "_Headers",
) -> tuple[int, int]:
    """The position after the records `piece`, and the newest of their timestamps.

    Numbers of one byte, which most are, are read here: zigzag, so odd ones are negative.
    """
    earliest, latest, has_keys = demands[0] - base, demands[1] - base, demands[2]
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
            # Odd ones are negative, and no record ends before it begins.
            end = position + (size >> 1) if not size & 1 else 0
            # One byte of attributes, which have no meaning. Clients that take them for a varint
            # (kafka-python, aiokafka) misread what follows a large one.
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
    """Walks over headers of records, of which a batch may have `count_max` together."""

    def __init__(self, count_max: int, pause: Callable[[], None] | None) -> None:
        self._left = count_max
        self._pause = pause

    def end(self, data: bytes, position: int) -> int:
        """Where the headers of a record end that begin at `position` with their count."""
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
