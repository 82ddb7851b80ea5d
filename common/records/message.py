"""Message sets of magic 0 (Kafka 0.8) and magic 1 (0.10, with a timestamp).

Layout (LegacyRecord.java), big-endian; the CRC-32 covers everything after it, and length -1 stands
for null: offset i64 · size i32 (bytes after this field) · CRC u32 · magic i8 · attributes i8 ·
timestamp i64 (magic 1 only) · key length i32 · key · value length i32 · value.

`message_set` handles compressed messages, which contain another set.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple
from zlib import crc32

from common.records.batch import LOG_APPEND_TIME, NO_TIMESTAMP
from common.records.errors import CorruptRecords, RecordsTooLarge

#: The magic byte stands at the same place in messages and in v2 batches.
MAGIC_POSITION: Final = 16
_LENGTH_OVERHEAD: Final = 12
_CHECKED_FROM: Final = 16

_PREFIX: Final = struct.Struct(">qiI")
#: From the offset to the key length.
_MAGIC_0_FRONT: Final = struct.Struct(">qiIbbi")
_MAGIC_1_FRONT: Final = struct.Struct(">qiIbbqi")
_FRONT_BYTES: Final = (_MAGIC_0_FRONT.size, _MAGIC_1_FRONT.size)
_LENGTH: Final = struct.Struct(">i")
_MAGIC_0_BODY: Final = struct.Struct(">bbi")
_MAGIC_1_BODY: Final = struct.Struct(">bbqi")

_magic_1_front: Final = _MAGIC_1_FRONT.unpack_from
_unpack_entry: Final = struct.Struct(">qi").unpack_from
_unpack_length: Final = _LENGTH.unpack_from


class Message(NamedTuple):
    """One message of a set; the value of a compressed message is another set."""

    offset: int
    attributes: int
    timestamp: int
    key: bytes | None
    value: bytes | None

    @property
    def is_log_append_time(self) -> bool:
        return bool(self.attributes & LOG_APPEND_TIME)


def read_messages(data: bytes, magic: int) -> Iterator[Message]:
    """Yields the messages of a set, all of `magic` (0 or 1); checks each CRC.

    Raises (while iterating):
        CorruptRecords: the set is truncated, a CRC fails, or a message is of another magic.
    """
    front = _magic_1_front if magic else _magic_0_front
    view, position, end = memoryview(data), 0, len(data)
    try:
        while position < end:
            offset, size, crc, its_magic, attributes, timestamp, length = front(data, position)
            message_end = position + _LENGTH_OVERHEAD + size
            if its_magic != magic:
                raise CorruptRecords(f"a message of magic {its_magic} in a set of magic {magic}")
            if message_end > end:
                raise CorruptRecords("the message set ends within a message")
            if crc32(view[position + _CHECKED_FROM : message_end]) != crc:
                raise CorruptRecords(f"the message at byte {position} of its set fails its CRC-32")
            position += _FRONT_BYTES[magic]
            key = None
            if length >= 0:
                key = data[position : position + length]
                position += length
            (length,) = _unpack_length(data, position)
            position += _LENGTH.size
            value = None
            if length >= 0:
                value = data[position : position + length]
                position += length
            # Detects any wrong length inside of the message: positions only grow.
            if position != message_end:
                raise CorruptRecords("a message contradicts its own size")
            yield Message(offset, attributes, timestamp, key, value)
    except struct.error as error:
        raise CorruptRecords("the message set ends within a message") from error


def check_sizes(message_set: bytes, message_bytes_max: int) -> None:
    """Checks the sizes of the outer messages of a set (UnifiedLog.analyzeAndValidate).

    Raises:
        RecordsTooLarge: one of them is larger than `message_bytes_max`, offset and size included.
    """
    position, last = 0, len(message_set) - _LENGTH_OVERHEAD
    while position <= last:
        _, size = _unpack_entry(message_set, position)
        size += _LENGTH_OVERHEAD
        if size > message_bytes_max:
            raise RecordsTooLarge(
                f"a message has {size} bytes, max.message.bytes is {message_bytes_max}"
            )
        # Reading the set reports this size as corrupt.
        if size < _LENGTH_OVERHEAD:
            return
        position += size


def _magic_0_front(data: bytes, position: int) -> tuple[int, ...]:
    offset, size, crc, magic, attributes, key_length = _MAGIC_0_FRONT.unpack_from(data, position)
    # Magic 0 has neither timestamps nor a timestamp type.
    return offset, size, crc, magic, attributes & ~LOG_APPEND_TIME, NO_TIMESTAMP, key_length


def write_message(message: tuple[int, int, int, bytes | None, bytes | None], magic: int) -> bytes:
    """Encodes a `Message`, or a tuple of its fields; magic 0 has no timestamp.

    Raises:
        CorruptRecords: its offset or timestamp does not fit into 64 bits.
    """
    offset, attributes, timestamp, key, value = message
    key_length = -1 if key is None else len(key)
    value_length = -1 if value is None else len(value)
    try:
        if magic:
            front = _MAGIC_1_BODY.pack(magic, attributes, timestamp, key_length)
        else:
            front = _MAGIC_0_BODY.pack(magic, attributes, key_length)
        body = b"".join((front, key or b"", _LENGTH.pack(value_length), value or b""))
        return _PREFIX.pack(offset, len(body) + 4, crc32(body)) + body
    except struct.error as error:
        raise CorruptRecords(f"a record at offset {offset} has impossible numbers") from error
