"""The records of a batch for compaction: key, tombstone or not, and the undecoded rest.

A compacted batch keeps base offset, last offset and sequences of the original, whichever records
were removed ("On Compaction" in DefaultRecordBatch.java).
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from common.records.batch import DELETE_HORIZON, TIMESTAMPS, BatchHeader, Bytes, seal
from common.records.compression import codec_of, compress
from common.records.errors import CorruptRecords
from common.records.records import inflate
from common.records.varint import decode_varint, encode_varint


class KeyedRecord(NamedTuple):
    """A record. `timestamp` is in ms; `rest` has its bytes after the timestamp."""

    offset: int
    timestamp: int
    key: bytes | None
    is_tombstone: bool
    rest: bytes


def keyed_records(batch: Bytes, header: BatchHeader) -> Iterator[KeyedRecord]:
    """Yields the records of one whole batch. Checks neither the CRC nor values and headers.

    Raises (at once or while iterating):
        CorruptRecords: corrupt records, or more bytes than `batch.inflated_bytes_max`.
        UnsupportedRecords: an unknown codec.
    """
    return keyed_records_in(inflate(batch, header), header)


def keyed_records_in(data: bytes, header: BatchHeader) -> Iterator[KeyedRecord]:
    """Yields records as `keyed_records` does, from the decompressed bytes `data`."""
    data_end, last_delta = len(data), header.last_offset_delta
    position = 0
    try:
        for _ in range(header.record_count):
            size, position = decode_varint(data, position)
            end = position + size
            timestamp_delta, rest = decode_varint(data, position + 1)
            offset_delta, position = decode_varint(data, rest)
            key_bytes, position = decode_varint(data, position)
            key = None if key_bytes < 0 else data[position : position + key_bytes]
            value_bytes, position = decode_varint(data, position + max(key_bytes, 0))
            if not position + value_bytes <= end <= data_end or not 0 <= offset_delta <= last_delta:
                raise CorruptRecords("a record contradicts its own length or its batch")
            timestamp = header.base_timestamp + timestamp_delta
            if timestamp not in TIMESTAMPS:
                raise CorruptRecords("a record's timestamp does not fit into 64 bits")
            yield KeyedRecord(
                header.base_offset + offset_delta,
                timestamp,
                key,
                value_bytes < 0,
                data[rest:end],
            )
            position = end
    except IndexError as error:
        raise CorruptRecords("the batch ends within a record") from error
    if position != data_end:
        raise CorruptRecords("there are bytes after the last record of the batch")


def with_records(
    header: BatchHeader, records: Iterable[KeyedRecord], *, delete_horizon_ms: int | None = None
) -> bytes:
    """Encodes the batch of `header` again with only `records`, at least one, in the same codec.

    `delete_horizon_ms` sets the time when its tombstones may be removed (KIP-534). Consumes the
    records one by one, so that only their bytes are in memory.
    """
    attributes, base_timestamp = header.attributes, header.base_timestamp
    if delete_horizon_ms is not None:
        attributes, base_timestamp = attributes | DELETE_HORIZON, delete_horizon_ms
    body = bytearray()
    count, newest = 0, TIMESTAMPS.start
    for _, timestamp, _, _, rest in records:
        packed = b"\0" + encode_varint(timestamp - base_timestamp) + rest
        body += encode_varint(len(packed))
        body += packed
        count += 1
        if timestamp > newest:
            newest = timestamp
    changed = header._replace(
        attributes=attributes,
        base_timestamp=base_timestamp,
        # With LogAppendTime all records have the header's max timestamp.
        max_timestamp=header.max_timestamp if header.is_log_append_time else newest,
        record_count=count,
    )
    return seal(changed, compress(codec_of(attributes), body))


def delete_horizon_ms(header: BatchHeader) -> int | None:
    """Returns the time when the batch's tombstones may be removed; None if it is not set yet."""
    return header.base_timestamp if header.attributes & DELETE_HORIZON else None
