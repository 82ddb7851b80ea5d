"""Batches opened for callers without a Kafka codec (`FetchRequest.decode_records`)."""

from collections.abc import Iterable

from common.records.batch import parse_header
from common.records.records import Record, read_records


def records_from(batches: Iterable[bytes], *, offset: int, bytes_max: int) -> list[Record]:
    """Records from `offset` on, at least one where there is one, control records left out.

    Stops once keys and values make `bytes_max`: compressed batches may be much larger inside.

    Raises:
        CorruptRecords, UnsupportedRecords: a batch cannot be read.
    """
    found: list[Record] = []
    size = 0
    for batch in batches:
        if parse_header(batch).is_control:
            continue
        for record in read_records(batch):
            if record.offset < offset:
                continue
            if size >= bytes_max and found:
                return found
            found.append(record)
            size += len(record.key or b"") + len(record.value or b"")
    return found
