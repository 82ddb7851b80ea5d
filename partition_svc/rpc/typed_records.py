"""Decoded records for callers without a Kafka codec (`FetchRequest.decode_records`)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from common.records.batch import parse_header
from common.records.records import Header, Record, read_records

_BYTES_MAX: Final = 1 << 20
#: Bytes that a record, or a header, counts besides its key and value.
_RECORD_BYTES: Final = 30
#: Records between two calls of `pause`: about a millisecond of work.
_PAUSE_AFTER: Final = 1024


def decode_records(
    batches: Iterable[bytes | memoryview],
    *,
    offset: int,
    bytes_max: int,
    pause: Callable[[], None] = lambda: None,
) -> list[Record]:
    """Returns the records from `offset` on without control records, one at least if there is one.

    Stops at `bytes_max` or a megabyte, since compressed batches may be much larger inside and
    decoding keeps the service busy. `pause` is called about once a millisecond, so that a thread
    can yield to others.

    Raises:
        CorruptRecords, UnsupportedRecords: a batch cannot be read.
    """
    records: list[Record] = []
    bytes_max = min(bytes_max, _BYTES_MAX)
    size = 0
    for batch in batches:
        if parse_header(batch).is_control:
            continue
        for number, record in enumerate(read_records(batch), 1):
            if number % _PAUSE_AFTER == 0:
                pause()
            if record.offset < offset:
                continue
            if size >= bytes_max and records:
                return records
            records.append(record)
            size += _RECORD_BYTES + len(record.key or b"") + len(record.value or b"")
            if record.headers:
                size += _headers_size(record.headers)
    return records


def _headers_size(headers: Sequence[Header]) -> int:
    return sum(_RECORD_BYTES + len(key) + len(value or b"") for key, value in headers)
