"""Length-delimited protobuf fields, joined to a message and split from it without copies.

protobuf copies a megabyte of record batches four times on its way from one process to another. So
protobuf encodes and decodes messages without their large fields, and this module joins those to
the bytes. The result is an ordinary message: fields may come in any order (protobuf.dev,
"Encoding").
"""

from collections.abc import Iterator, Sequence
from typing import Final

from google.protobuf.message import DecodeError

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED: Final = {_FIXED64: 8, _FIXED32: 4}
_VARINT_BYTES_MAX: Final = 10


def delimited_head(number: int, size: int) -> bytes:
    """Returns the tag and length that precede `size` bytes of field `number`."""
    return _varint(number << 3 | _DELIMITED) + _varint(size)


def split(message: memoryview, number: int) -> tuple[bytes, list[memoryview]]:
    """Returns the message without its length-delimited field `number`, and that field's values.

    Raises:
        DecodeError: the bytes are not a message.
    """
    rest: list[memoryview] = []
    values: list[memoryview] = []
    for field, wire_type, start, content, end in _fields(message):
        if field == number and wire_type == _DELIMITED:
            values.append(message[content:end])
        else:
            rest.append(message[start:end])
    return b"".join(rest), values


def _fields(message: memoryview) -> Iterator[tuple[int, int, int, int, int]]:
    """Yields number, wire type, start, start of the content, and end of each field."""
    position, size = 0, len(message)
    while position < size:
        start = position
        tag, position = _read_varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        content = position
        if wire_type == _DELIMITED:
            length, content = _read_varint(message, position)
            position = content + length
        elif wire_type == _VARINT:
            _, position = _read_varint(message, position)
        elif wire_type in _FIXED:
            position += _FIXED[wire_type]
        else:
            raise DecodeError(f"wire type {wire_type}")
        if position > size or not number:
            raise DecodeError("a field ends beyond its message")
        yield number, wire_type, start, content, position


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _read_varint(message: Sequence[int], position: int) -> tuple[int, int]:
    value = 0
    try:
        for at in range(_VARINT_BYTES_MAX):
            byte = message[position + at]
            value |= (byte & 0x7F) << 7 * at
            if byte < 0x80:
                return value, position + at + 1
    except IndexError:
        raise DecodeError("a varint ends beyond its message") from None
    raise DecodeError("a varint of more than 10 bytes")
