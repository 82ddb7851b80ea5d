"""Message sets of old clients to v2 batches, and v2 batches to message sets (KIP-31, KIP-98).

The log holds v2 batches only: Produce 0-2 converts on the way in, Fetch 0-3 on the way out. In a
message set, compression wraps: a compressed message holds a set as its value. Offsets inside are
absolute with magic 0, and with magic 1 count from the first record, the wrapper carrying the
offset of the last one.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from common.records.batch import (
    LOG_APPEND_TIME,
    MAGIC,
    NO_TIMESTAMP,
    BatchHeader,
    Bytes,
    iter_batches,
)
from common.records.compression import INFLATED_BYTES_MAX, Codec, codec_of, compress, decompress
from common.records.errors import CorruptRecords, UnsupportedRecords
from common.records.message import MAGIC_POSITION, Message, read_messages, write_message
from common.records.records import Record, read_records, write_batch

_MAGIC_1: Final = 1


def up_convert(message_set: Bytes, *, bytes_max: int = INFLATED_BYTES_MAX) -> bytes | None:
    """One v2 batch with every record of a produced message set, or None where it is empty.

    One batch even for several wrappers, as in LogValidator.java, so that the set is stored whole
    or not at all; its codec is that of the last compressed message. Offsets of the producer are
    not looked at, brokers assign new ones. What is of magic 2 already comes back as it is.

    Raises:
        CorruptRecords: cut, a CRC fails, garbage inside, or all wrappers together inflate to
            more than `bytes_max`.
        UnsupportedRecords: a codec that messages cannot have.
    """
    data = bytes(message_set)
    if not data:
        return None
    if len(data) <= MAGIC_POSITION:
        raise CorruptRecords("the message set ends within a message")
    magic = data[MAGIC_POSITION]
    if magic == MAGIC:
        return data
    if magic > _MAGIC_1:
        raise CorruptRecords(f"a message set of magic {magic}")
    return _batch_of(data, magic, bytes_max)


def _batch_of(data: bytes, magic: int, bytes_max: int) -> bytes:
    records: list[Record] = []
    codec, flags = Codec.NONE, 0
    for message in read_messages(data, magic):
        # The log refuses clients that claim to stamp: it must see the claim (LogValidator.java).
        flags |= message.attributes & LOG_APPEND_TIME
        its_codec = codec_of(message.attributes)
        if its_codec is Codec.NONE:
            records.append(_record(len(records), message, message.timestamp))
            continue
        codec = its_codec
        inner_set = _unwrap(message, magic, bytes_max)
        bytes_max -= len(inner_set)
        for inner in read_messages(inner_set, magic):
            if codec_of(inner.attributes) is not Codec.NONE:
                raise CorruptRecords("a compressed message within a compressed message")
            timestamp = message.timestamp if message.is_log_append_time else inner.timestamp
            records.append(_record(len(records), inner, timestamp))
    return write_batch(records, codec=codec, flags=flags)


def _record(offset: int, message: Message, timestamp: int) -> Record:
    if timestamp < NO_TIMESTAMP:
        raise CorruptRecords(f"a message with the timestamp {timestamp}")
    return Record(offset, timestamp, message.key, message.value)


def _unwrap(wrapper: Message, magic: int, bytes_max: int) -> bytes:
    codec = codec_of(wrapper.attributes)
    if codec is Codec.ZSTD:
        raise UnsupportedRecords("zstd needs record batches of magic 2 (KIP-110)")
    inner_set = decompress(codec, wrapper.value or b"", magic=magic, bytes_max=bytes_max)
    if not inner_set:
        raise CorruptRecords("a compressed message holds no messages")
    return inner_set


def down_convert(
    chunks: Iterable[Bytes],
    magic: int,
    *,
    fetch_offset: int,
    bytes_max: int = INFLATED_BYTES_MAX,
) -> list[bytes]:
    """Message sets of `magic` (0 or 1) for runs of whole v2 batches, one for each batch.

    Uncompressed records before `fetch_offset` are left out, since each would be a batch of its own
    (RecordsUtil.downConvert); compressed batches stay whole and compressed. Headers and control
    batches have no place in messages and are dropped, so there may be nothing left.

    `bytes_max` is for each batch. Raises:
        CorruptRecords: garbage inside.
        UnsupportedRecords: the first batch is zstd, which no message can be (KIP-110). A later
            one just ends the answer, so that the client gets what comes before it.
    """
    sets: list[bytes] = []
    for batch, header in _data_batches(chunks):
        if header.codec == Codec.ZSTD:
            if sets:
                break
            raise UnsupportedRecords("zstd needs record batches of magic 2 (KIP-110)")
        records = read_records(batch, bytes_max=bytes_max)
        if header.codec == Codec.NONE:
            wanted = [record for record in records if record.offset >= fetch_offset]
            converted = _plain_set(wanted, header, magic)
        else:
            converted = _wrapped_set(list(records), header, magic)
        if converted:
            sets.append(converted)
    return sets


def _data_batches(chunks: Iterable[Bytes]) -> Iterator[tuple[memoryview, BatchHeader]]:
    for chunk in chunks:
        for position, header in iter_batches(chunk):
            if not header.is_control:
                yield memoryview(chunk)[position : position + header.size], header


def _plain_set(
    records: Iterable[Record], header: BatchHeader, magic: int, *, first_offset: int = 0
) -> bytes:
    attributes = header.attributes & LOG_APPEND_TIME if magic else 0
    return b"".join(
        write_message(
            Message(record.offset - first_offset, attributes, record.timestamp, *record[2:4]), magic
        )
        for record in records
    )


def _wrapped_set(records: list[Record], header: BatchHeader, magic: int) -> bytes:
    if not records:
        return b""
    codec = codec_of(header.attributes)
    first_offset = records[0].offset if magic else 0
    inner_set = _plain_set(records, header, magic, first_offset=first_offset)
    wrapper = Message(
        offset=records[-1].offset,
        attributes=codec | (header.attributes & LOG_APPEND_TIME if magic else 0),
        timestamp=max(record.timestamp for record in records),
        key=None,
        value=compress(codec, inner_set, magic=magic),
    )
    return write_message(wrapper, magic)
