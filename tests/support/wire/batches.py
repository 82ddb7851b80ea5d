"""Record batches (magic 2) packed by hand, so that tests can also pack wrong ones.

The layout is DefaultRecordBatch's in Apache Kafka. Nothing here comes from the code under test.
"""

import gzip
import struct
from collections.abc import Sequence

import zstandard
from crc32c import crc32c
from kafka.codec import lz4_encode, snappy_encode
from kafka.record import MemoryRecords

from tests.support.wire.records import Record

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
COMPRESS = {
    "none": bytes,
    "gzip": gzip.compress,
    "snappy": snappy_encode,
    "lz4": lz4_encode,
    "zstd": zstandard.ZstdCompressor().compress,
}
TIMESTAMP_TYPE_BIT = 0x08
TRANSACTIONAL_BIT = 0x10
CONTROL_BIT = 0x20

#: base offset, length, leader epoch, magic, crc | attributes, last delta, base and max timestamp,
#: producer id, epoch, base sequence, count
_PREFIX = struct.Struct(">qiibI")
_BODY = struct.Struct(">hiqqqhii")
HEADER_BYTES = _PREFIX.size + _BODY.size
#: Position of the CRC, and of the first byte that it covers.
CRC_AT, ATTRIBUTES_AT = 17, 21
#: The max timestamp follows the base timestamp.
BASE_TIMESTAMP_AT = 27


def varint(number: int) -> bytes:
    """Zig-zag, seven bits at a time, as in Protocol Buffers' sint64."""
    rest = (number << 1) ^ (number >> 63)
    packed = bytearray()
    while rest > 0x7F:
        packed.append(rest & 0x7F | 0x80)
        rest >>= 7
    packed.append(rest)
    return bytes(packed)


def _sized(content: bytes | None) -> bytes:
    return varint(-1) if content is None else varint(len(content)) + content


def pack_record(record: Record, *, offset_delta: int, base_timestamp_ms: int) -> bytes:
    timestamp_ms = base_timestamp_ms if record.timestamp_ms is None else record.timestamp_ms
    body = b"".join(
        [
            b"\0",
            varint(timestamp_ms - base_timestamp_ms),
            varint(offset_delta),
            _sized(record.key),
            _sized(record.value),
            varint(len(record.headers)),
            *(_sized(key.encode()) + _sized(value) for key, value in record.headers),
        ]
    )
    return varint(len(body)) + body


def record_batch(
    records: Sequence[Record],
    *,
    codec: str = "none",
    base_timestamp_ms: int = 1_700_000_000_000,
    producer: tuple[int, int, int] = (-1, -1, -1),
    attributes: int = 0,
    count: int | None = None,
    last_offset_delta: int | None = None,
    payload: bytes | None = None,
    base_offset: int = 0,
    leader_epoch: int = -1,
) -> bytes:
    """A batch with a valid CRC. `producer` is id, epoch and base sequence.

    `count`, `last_offset_delta` and `payload` (the records section, compressed or not) replace the
    values of `records`, to build inconsistent batches.
    """
    times = [base_timestamp_ms if r.timestamp_ms is None else r.timestamp_ms for r in records]
    if payload is None:
        packed = b"".join(
            pack_record(record, offset_delta=delta, base_timestamp_ms=base_timestamp_ms)
            for delta, record in enumerate(records)
        )
        payload = bytes(COMPRESS[codec](packed))
    body = _BODY.pack(
        attributes | CODECS[codec],
        len(records) - 1 if last_offset_delta is None else last_offset_delta,
        base_timestamp_ms,
        max(times, default=base_timestamp_ms),
        *producer,
        len(records) if count is None else count,
    )
    length = _PREFIX.size - 12 + len(body) + len(payload)
    crc = crc32c(body + payload)
    return _PREFIX.pack(base_offset, length, leader_epoch, 2, crc) + body + payload


def with_times(batch: bytes, base_timestamp_ms: int, max_timestamp_ms: int) -> bytes:
    """Returns `batch` with other times in its header, and a valid CRC."""
    times = struct.pack(">qq", base_timestamp_ms, max_timestamp_ms)
    return with_valid_crc(batch[:BASE_TIMESTAMP_AT] + times + batch[BASE_TIMESTAMP_AT + 16 :])


def with_valid_crc(batch: bytes) -> bytes:
    """Returns `batch` with a valid CRC, after its bytes were changed."""
    return batch[:CRC_AT] + struct.pack(">I", crc32c(batch[ATTRIBUTES_AT:])) + batch[ATTRIBUTES_AT:]


def split_batches(data: bytes) -> list[bytes]:
    """Splits the records of a Fetch response, which must be complete batches."""
    batches = []
    while len(data) >= HEADER_BYTES:
        end = 12 + int.from_bytes(data[8:12], "big")
        assert end <= len(data), "the broker cut a batch"
        batches.append(data[:end])
        data = data[end:]
    assert not data, "bytes after the last batch"
    return batches


def batch_offsets(batch: bytes) -> range:
    base_offset = int.from_bytes(batch[:8], "big", signed=True)
    last_offset_delta = int.from_bytes(batch[23:27], "big", signed=True)
    return range(base_offset, base_offset + last_offset_delta + 1)


def batch_values(batches: Sequence[bytes]) -> list[bytes | None]:
    """Returns the values of all records, read by kafka-python."""
    return [record.value for batch in MemoryRecords(b"".join(batches)) for record in batch]


def overflowing_batch() -> bytes:
    """Returns 79 bytes: one record whose base plus delta timestamp overflows 64 bits."""
    record = Record(None, b"", timestamp_ms=(1 << 63) - 1)
    return with_times(record_batch([record], base_timestamp_ms=0), 1 << 62, -1)
