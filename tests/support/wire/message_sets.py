"""Message sets of magic 0 and 1 packed and unpacked by hand, as clients before 0.11 did.

The layout is LegacyRecord's in Apache Kafka. Nothing here comes from the code under test.
"""

import gzip
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from kafka.codec import (
    lz4_decode,
    lz4_decode_old_kafka,
    lz4_encode,
    snappy_decode,
    snappy_encode,
)

from tests.support.wire.records import Record

_WRAP = {"gzip": (1, gzip.compress), "snappy": (2, snappy_encode), "lz4": (3, lz4_encode)}
#: By magic: LZ4 frames of magic 0 carry a header checksum over the wrong bytes (KIP-57).
_UNWRAP = {
    0: {1: gzip.decompress, 2: snappy_decode, 3: lz4_decode_old_kafka},
    1: {1: gzip.decompress, 2: snappy_decode, 3: lz4_decode},
}


class Message(NamedTuple):
    """One message of a set, as it was on the wire."""

    offset: int
    magic: int
    attributes: int
    timestamp_ms: int | None  # magic 1 only
    key: bytes | None
    value: bytes | None


def _sized(content: bytes | None) -> bytes:
    return struct.pack(">i", -1) if content is None else struct.pack(">i", len(content)) + content


def pack_message(record: Record, *, magic: int, offset: int = 0, attributes: int = 0) -> bytes:
    """One entry of a set: offset, size, CRC-32, magic, attributes, (timestamp), key, value."""
    body = struct.pack(">bb", magic, attributes)
    if magic == 1:
        body += struct.pack(">q", -1 if record.timestamp_ms is None else record.timestamp_ms)
    body += _sized(record.key) + _sized(record.value)
    message = struct.pack(">I", zlib.crc32(body)) + body
    return struct.pack(">qi", offset, len(message)) + message


def message_set(records: Sequence[Record], *, magic: int, codec: str = "none") -> bytes:
    """Returns a set as producers send it: offsets from 0 on; a codec wraps it in one message."""
    messages = b"".join(
        pack_message(record, magic=magic, offset=offset) for offset, record in enumerate(records)
    )
    if codec == "none":
        return messages
    code, compress = _WRAP[codec]
    newest = max((record.timestamp_ms or -1 for record in records), default=-1)
    wrapper = Record(value=bytes(compress(messages)), timestamp_ms=newest)
    return pack_message(wrapper, magic=magic, offset=len(records) - 1, attributes=code)


def unpack_message_set(data: bytes) -> list[Message]:
    """Returns messages with absolute offsets; decompresses sets, ignores a partial last message.

    Checks every CRC-32.
    """
    messages: list[Message] = []
    while len(data) >= 12:
        offset, size = struct.unpack_from(">qi", data)
        if len(data) < 12 + size:
            break
        messages += _unwrap(_unpack_message(offset, data[12 : 12 + size]))
        data = data[12 + size :]
    return messages


def _unpack_message(offset: int, message: bytes) -> Message:
    crc, magic, attributes = struct.unpack_from(">Ibb", message)
    assert crc == zlib.crc32(message[4:]), f"CRC of the message at {offset}"
    at = 6
    timestamp_ms = None
    if magic == 1:
        (timestamp_ms,) = struct.unpack_from(">q", message, at)
        at += 8
    key, at = _read_sized(message, at)
    value, at = _read_sized(message, at)
    assert at == len(message)
    return Message(offset, magic, attributes, timestamp_ms, key, value)


def _read_sized(message: bytes, at: int) -> tuple[bytes | None, int]:
    (size,) = struct.unpack_from(">i", message, at)
    if size < 0:
        return None, at + 4
    return message[at + 4 : at + 4 + size], at + 4 + size


def _unwrap(message: Message) -> list[Message]:
    codec = message.attributes & 0x07
    if not codec:
        return [message]
    assert message.value is not None
    inner = unpack_message_set(bytes(_UNWRAP[message.magic][codec](message.value)))
    # Magic 0 writes absolute offsets inside; magic 1 relative ones, the wrapper has the last.
    shift = message.offset - inner[-1].offset if message.magic == 1 else 0
    return [item._replace(offset=item.offset + shift) for item in inner]
