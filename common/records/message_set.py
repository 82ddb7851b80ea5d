"""Conversion of message sets of old clients to v2 batches and back (KIP-31, KIP-98).

Logs have v2 batches only: Produce 0-2 and Fetch 0-3 convert. The value of a compressed message, the
wrapper, is another set. Its offsets are absolute with magic 0; with magic 1 they count from the
first record, and the wrapper has the offset of the last one.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from common.records.batch import (
    CODEC_MASK,
    LOG_APPEND_TIME,
    MAGIC,
    NO_TIMESTAMP,
    BatchHeader,
    Bytes,
    inflated_bytes_max,
    iter_batches,
    seal,
)
from common.records.compression import Codec, codec_of, compress, decompress
from common.records.errors import CorruptRecords, UnsupportedRecords
from common.records.message import (
    MAGIC_POSITION,
    Message,
    check_sizes,
    read_messages,
    write_message,
)
from common.records.records import Record, pack_records, read_records
from common.runtime.gil import yielding_gil

_MAGIC_1: Final = 1


def up_convert(
    message_set: Bytes,
    *,
    message_bytes_max: int | None = None,
    on_inflated: Callable[[int], None] = lambda _: None,
) -> bytes | None:
    """Returns one v2 batch with all records of a produced message set; None if it is empty.

    One batch even for several wrappers, as in LogValidator.java, so that the set is stored whole
    or not at all; its codec is that of the last compressed message. Offsets of the producer are
    ignored, since brokers assign new ones. A set of magic 2 is returned unchanged.

    With `message_bytes_max` the sizes of outer messages are checked first, and the set may
    decompress to no more than a batch of that size may. `on_inflated` is called with the
    decompressed bytes of each wrapper; the batch takes about as many again.

    Raises:
        RecordsTooLarge: an outer message is larger than `message_bytes_max`.
        CorruptRecords: the set is truncated, a CRC fails, records are corrupt, or all wrappers
            together decompress to more than `batch.inflated_bytes_max`.
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
    if message_bytes_max is not None:
        check_sizes(data, message_bytes_max)
    opened = _OpenedSet(data, magic, _inflated_bytes_max(len(data), message_bytes_max), on_inflated)
    header, body = pack_records(yielding_gil(opened.records()))
    header = header._replace(attributes=opened.codec | opened.flags)
    return seal(header, compress(opened.codec, body))


def _inflated_bytes_max(set_bytes: int, message_bytes_max: int | None) -> int:
    """Returns the limit of all wrappers of a set, which is that of the one batch they become."""
    if message_bytes_max is not None:
        set_bytes = min(set_bytes, message_bytes_max)
    return inflated_bytes_max(set_bytes)


class _OpenedSet:
    """A message set being converted; `codec` and `flags` are complete after `records`."""

    def __init__(
        self, data: bytes, magic: int, inflated_bytes_max: int, on_inflated: Callable[[int], None]
    ) -> None:
        self.codec = Codec.NONE
        self.flags = 0
        self._data = data
        self._magic = magic
        self._room = inflated_bytes_max
        self._on_inflated = on_inflated

    def records(self) -> Iterator[Record]:
        for offset, (timestamp, message) in enumerate(self._messages()):
            if timestamp < NO_TIMESTAMP:
                raise CorruptRecords(f"a message with the timestamp {timestamp}")
            yield Record(offset, timestamp, message.key, message.value)

    def _messages(self) -> Iterator[tuple[int, Message]]:
        """Yields the uncompressed messages, including those in wrappers, with their timestamps."""
        for message in read_messages(self._data, self._magic):
            # Keep the client's claim of LogAppendTime: the log refuses or clears it.
            self.flags |= message.attributes & LOG_APPEND_TIME
            if not message.attributes & CODEC_MASK:
                yield message.timestamp, message
                continue
            stamp = message.timestamp if message.is_log_append_time else None
            for inner in read_messages(self._unwrap(message), self._magic):
                if inner.attributes & CODEC_MASK:
                    raise CorruptRecords("a compressed message within a compressed message")
                yield inner.timestamp if stamp is None else stamp, inner

    def _unwrap(self, wrapper: Message) -> bytes:
        self.codec = codec_of(wrapper.attributes)
        if self.codec is Codec.ZSTD:
            raise UnsupportedRecords("zstd needs record batches of magic 2 (KIP-110)")
        packed = wrapper.value or b""
        inner_set = decompress(self.codec, packed, magic=self._magic, bytes_max=self._room)
        if not inner_set:
            raise CorruptRecords("a compressed message holds no messages")
        self._room -= len(inner_set)
        self._on_inflated(len(inner_set))
        return inner_set


def down_convert(chunks: Iterable[Bytes], magic: int, *, fetch_offset: int) -> list[bytes]:
    """Returns message sets of `magic` (0 or 1) for runs of whole v2 batches, one for each batch.

    Uncompressed records before `fetch_offset` are left out, since each becomes a message of its own
    (RecordsUtil.downConvert); compressed batches stay whole and compressed. Messages have neither
    headers nor control batches, so the result may be empty.

    Raises:
        CorruptRecords: corrupt records, or a batch exceeds `batch.inflated_bytes_max`.
        UnsupportedRecords: the first batch is zstd, which messages cannot be (KIP-110). A later
            one ends the result, so that the client gets the batches before it.
    """
    sets: list[bytes] = []
    for batch, header in _data_batches(chunks):
        if header.codec == Codec.ZSTD:
            if sets:
                break
            raise UnsupportedRecords("zstd needs record batches of magic 2 (KIP-110)")
        records = yielding_gil(read_records(batch))
        if header.codec == Codec.NONE:
            converted = _plain_set(records, header, magic, fetch_offset)
        else:
            converted = _wrapped_set(records, header, magic)
        if converted:
            sets.append(converted)
    return sets


def _data_batches(chunks: Iterable[Bytes]) -> Iterator[tuple[memoryview, BatchHeader]]:
    for chunk in chunks:
        for position, header in iter_batches(chunk):
            if not header.is_control:
                yield memoryview(chunk)[position : position + header.size], header


def _plain_set(
    records: Iterable[Record], header: BatchHeader, magic: int, fetch_offset: int
) -> bytes:
    attributes = _attributes(header, magic)
    return b"".join(
        write_message((offset, attributes, timestamp, key, value), magic)
        for offset, timestamp, key, value, _ in records
        if offset >= fetch_offset
    )


def _wrapped_set(records: Iterable[Record], header: BatchHeader, magic: int) -> bytes:
    codec, attributes = codec_of(header.attributes), _attributes(header, magic)
    inner_set = bytearray()
    base_offset = newest = last_offset = -1
    for offset, timestamp, key, value, _ in records:
        if not inner_set:
            base_offset = offset if magic else 0
        inner_set += write_message((offset - base_offset, attributes, timestamp, key, value), magic)
        newest, last_offset = max(newest, timestamp), offset
    if not inner_set:
        return b""
    packed = compress(codec, inner_set, magic=magic)
    return write_message((last_offset, attributes | codec, newest, None, packed), magic)


def _attributes(header: BatchHeader, magic: int) -> int:
    """Returns the attributes of all messages of a batch; magic 0 has no timestamp type."""
    return header.attributes & LOG_APPEND_TIME if magic else 0
