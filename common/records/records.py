"""Reading and writing the records of a v2 batch.

Layout of a record (DefaultRecord.java): its length, attributes (a byte, unused), timestamp delta,
offset delta, key, value, header count, headers; lengths, deltas and counts are zigzag varints, and
length -1 stands for null. Compression covers all records of the batch together.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from common.records.batch import (
    CODEC_MASK,
    HEADER_BYTES,
    LENGTH_OVERHEAD,
    MAGIC,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    TIMESTAMPS,
    BatchHeader,
    Bytes,
    parse_header,
    record_headers_max,
    seal,
)
from common.records.compression import Codec, codec_of, compress, decompress
from common.records.errors import CorruptRecords
from common.records.varint import decode_varint, encode_varint

#: Key and value of a record header. The key is UTF-8 text only by convention, so it stays bytes.
Header = tuple[bytes, bytes | None]

_NULL: Final = encode_varint(-1)
_NO_HEADERS: Final = encode_varint(0)
#: Decoded headers are cached up to this many bytes: records often repeat them.
_CACHED_BYTES_MAX: Final = 128
#: Makes a `Record` in half the time of calling the class, once for each record that is read.
_new_tuple: Final = tuple.__new__


class Record(NamedTuple):
    """A record with its absolute offset; `timestamp` in ms since the epoch, -1 for none."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...] = ()


class Producer(NamedTuple):
    """The producer fields of a batch header; all -1 for a producer without idempotence."""

    producer_id: int = NO_PRODUCER_ID
    epoch: int = NO_PRODUCER_EPOCH
    base_sequence: int = NO_SEQUENCE


_NO_PRODUCER: Final = Producer()


def read_records(batch: Bytes) -> Iterator[Record]:
    """Yields the records of one whole batch, each decoded when it is requested. Checks no CRC.

    Raises (at once or while iterating):
        CorruptRecords: not a v2 batch, corrupt records, or over `batch.inflated_bytes_max`.
        UnsupportedRecords: an unknown codec.
    """
    header = parse_header(batch)
    if header.magic != MAGIC or header.size != len(batch):
        raise CorruptRecords("the bytes are not one whole v2 batch")
    return decode_records(header, batch)


def decode_records(header: BatchHeader, batch: Bytes) -> Iterator[Record]:
    """Yields records as `read_records` does, for a batch whose header was parsed and checked."""
    return _decode(inflate(batch, header), header)


def write_batch(
    records: Iterable[Record],
    *,
    codec: Codec = Codec.NONE,
    producer: Producer = _NO_PRODUCER,
    flags: int = 0,
) -> bytes:
    """Encodes a batch of at least one record, in offset order; the first has the base offset.

    `flags` are attribute bits other than the codec's, for instance `batch.TRANSACTIONAL`.
    """
    header, body = pack_records(records)
    header = header._replace(
        attributes=codec | flags,
        producer_id=producer.producer_id,
        producer_epoch=producer.epoch,
        base_sequence=producer.base_sequence,
    )
    return seal(header, compress(codec, body))


def inflate(batch: Bytes, header: BatchHeader, *, bytes_max: int | None = None) -> bytes:
    """Returns the bytes of all records, decompressed to at most `bytes_max`.

    The default is `batch.inflated_bytes_max`. Raises as `read_records` does.
    """
    if not header.attributes & CODEC_MASK:
        return bytes(batch[HEADER_BYTES:])
    packed = memoryview(batch)[HEADER_BYTES:]
    return decompress(codec_of(header.attributes), packed, bytes_max=bytes_max)


def _decode(data: bytes, header: BatchHeader) -> Iterator[Record]:
    base_offset, last_delta = header.base_offset, header.last_offset_delta
    # With LogAppendTime all records have the header's max timestamp (DefaultRecordBatch.java).
    stamp = header.max_timestamp if header.is_log_append_time else None
    position, data_end = 0, len(data)
    headers_max = record_headers_max(header.size)
    try:
        for _ in range(header.record_count):
            record_bytes, position = decode_varint(data, position)
            record_end = position + record_bytes
            timestamp, position = decode_varint(data, position + 1)
            timestamp = header.base_timestamp + timestamp if stamp is None else stamp
            if timestamp not in TIMESTAMPS:
                raise CorruptRecords("a record's timestamp does not fit into 64 bits")
            delta, position = decode_varint(data, position)
            size, position = decode_varint(data, position)
            key = None
            if size >= 0:
                key = data[position : position + size]
                position += size
            size, position = decode_varint(data, position)
            value = None
            if size >= 0:
                value = data[position : position + size]
                position += size
            # Detects any wrong length inside of the record: positions only grow, and the headers
            # must fill the rest.
            if not position < record_end <= data_end or not 0 <= delta <= last_delta:
                raise CorruptRecords("a record contradicts its own length or its batch")
            packed = data[position:record_end]
            headers = () if packed == _NO_HEADERS else _headers(packed, headers_max)
            position = record_end
            yield _new_tuple(Record, (base_offset + delta, timestamp, key, value, headers))
    except IndexError as error:
        raise CorruptRecords("the batch ends within a record") from error
    if position != data_end:
        raise CorruptRecords("there are bytes after the last record of the batch")


def _headers(packed: bytes, count_max: int) -> tuple[Header, ...]:
    """Returns the headers of a record; small ones are cached."""
    small = len(packed) <= _CACHED_BYTES_MAX
    return _cached_headers(packed) if small else _decode_headers(packed, count_max)


def _decode_headers(data: bytes, count_max: int = _CACHED_BYTES_MAX) -> tuple[Header, ...]:
    """Decodes all of `data`. A wrong count is harmless, because every header takes bytes."""
    headers: list[Header] = []
    count, position = decode_varint(data, 0)
    if count < 0:
        raise CorruptRecords("a record has a negative number of headers")
    if count > count_max:
        raise CorruptRecords("a record has more headers than its batch has room for")
    while len(headers) < count:
        size, position = decode_varint(data, position)
        if size < 0:
            raise CorruptRecords("a record header has no key")
        key = data[position : position + size]
        position += size
        value_size, position = decode_varint(data, position)
        value = None
        if value_size >= 0:
            value = data[position : position + value_size]
            position += value_size
        headers.append((key, value))
    if position != len(data):
        raise CorruptRecords("a record contradicts its own length")
    return tuple(headers)


_cached_headers: Final = lru_cache(maxsize=256)(_decode_headers)


def pack_records(records: Iterable[Record]) -> tuple[BatchHeader, bytearray]:
    """Returns the uncompressed bytes of at least one record, and a header without producer.

    Consumes the records one by one, so that only their bytes are in memory.
    """
    body = bytearray()
    count = offset = base_offset = base_timestamp = max_timestamp = 0
    for offset, timestamp, key, value, headers in records:
        if not count:
            base_offset, base_timestamp, max_timestamp = offset, timestamp, timestamp
        count += 1
        if timestamp > max_timestamp:
            max_timestamp = timestamp
        packed = b"".join(
            (
                b"\0",
                encode_varint(timestamp - base_timestamp),
                encode_varint(offset - base_offset),
                _NULL if key is None else encode_varint(len(key)),
                key or b"",
                _NULL if value is None else encode_varint(len(value)),
                value or b"",
                _pack_headers(headers) if headers else _NO_HEADERS,
            )
        )
        body += encode_varint(len(packed))
        body += packed
    assert count, "a batch has at least one record"
    header = BatchHeader(
        base_offset=base_offset,
        batch_length=HEADER_BYTES - LENGTH_OVERHEAD + len(body),
        leader_epoch=-1,
        magic=MAGIC,
        crc=0,
        attributes=0,
        last_offset_delta=offset - base_offset,
        base_timestamp=base_timestamp,
        max_timestamp=max_timestamp,
        producer_id=NO_PRODUCER_ID,
        producer_epoch=NO_PRODUCER_EPOCH,
        base_sequence=NO_SEQUENCE,
        record_count=count,
    )
    return header, body


def _pack_headers(headers: Sequence[Header]) -> bytes:
    parts = [encode_varint(len(headers))]
    for key, value in headers:
        parts += (encode_varint(len(key)), key)
        parts += (_NULL,) if value is None else (encode_varint(len(value)), value)
    return b"".join(parts)
