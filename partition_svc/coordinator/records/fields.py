"""Encoding of Kafka's field types in the records of `__consumer_offsets`.

Big-endian integers; text and bytes with a length before them, -1 for null. In flexible versions
(KIP-482) lengths and counts are unsigned varints plus one, and tagged fields follow.
"""

import struct
from typing import Final

_INT16: Final = struct.Struct(">h")
_INT32: Final = struct.Struct(">i")
_INT64: Final = struct.Struct(">q")
_TEXT_BYTES_MAX: Final = 0x7FFF
_VARINT_SHIFT_MAX: Final = 28

_NULL_TEXT: Final = _INT16.pack(-1)


class MalformedRecord(ValueError):
    """Raised for bytes that violate the format, and for values that it cannot encode."""


def pack_text(text: str | None) -> bytes:
    """Encodes a text. Raises `MalformedRecord` if it is longer than 32767 bytes."""
    if text is None:
        return _NULL_TEXT
    data = text.encode()
    if len(data) > _TEXT_BYTES_MAX:
        raise MalformedRecord(f"a text of {len(data)} bytes")
    return _INT16.pack(len(data)) + data


def pack_compact_text(text: str) -> bytes:
    """Encodes a text of a flexible version. Raises `MalformedRecord` as `pack_text`."""
    data = text.encode()
    if len(data) > _TEXT_BYTES_MAX:
        raise MalformedRecord(f"a text of {len(data)} bytes")
    return pack_varint(len(data) + 1) + data


def pack_varint(number: int) -> bytes:
    """Encodes an unsigned number: seven bits a byte, the lowest first."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def pack_bytes(data: bytes) -> bytes:
    return _INT32.pack(len(data)) + data


def fits(text: str) -> bool:
    """True if a text is not longer than the formats allow."""
    is_short = len(text) <= _TEXT_BYTES_MAX // 4
    return is_short or len(text.encode()) <= _TEXT_BYTES_MAX


class Fields:
    """Reads fields in their order. A method raises `MalformedRecord` where the bytes end early."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def int16(self) -> int:
        return self._number(_INT16)

    def int32(self) -> int:
        return self._number(_INT32)

    def int64(self) -> int:
        return self._number(_INT64)

    def text(self) -> str:
        text = self.text_or_none()
        if text is None:
            raise MalformedRecord("a required text is null")
        return text

    def text_or_none(self) -> str | None:
        size = self._text_size()
        try:
            return None if size < 0 else self._take(size).decode()
        except UnicodeDecodeError as error:
            raise MalformedRecord("a text is not UTF-8") from error

    def data(self) -> bytes:
        return self._take(max(0, self._bytes_size()))

    def raw(self, size: int) -> bytes:
        return self._take(size)

    def count(self) -> int:
        """Reads the length of an array, which is not larger than the number of bytes left."""
        count, left = max(0, self._bytes_size()), len(self._data) - self._at
        if count > left:
            raise MalformedRecord(f"an array of {count} elements in {left} bytes")
        return count

    def end(self) -> None:
        """Raises `MalformedRecord` if bytes are left."""
        if self._at != len(self._data):
            raise MalformedRecord("bytes after the last field")

    def tags(self) -> dict[int, bytes]:
        """Reads tagged fields; versions that are not flexible have none."""
        return {}

    def _text_size(self) -> int:
        return self._number(_INT16)

    def _bytes_size(self) -> int:
        return self._number(_INT32)

    def _number(self, layout: struct.Struct) -> int:
        try:
            number: int = layout.unpack_from(self._data, self._at)[0]
        except struct.error as error:
            raise MalformedRecord("the bytes end within a number") from error
        self._at += layout.size
        return number

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise MalformedRecord("the bytes end within a field")
        taken = self._data[self._at : end]
        self._at = end
        return taken


class _Flexible(Fields):
    """Fields of a flexible version. The version number before them is encoded as in others."""

    __slots__ = ()

    def end(self) -> None:
        """Raises `MalformedRecord` if bytes are left."""
        if self._at != len(self._data):
            raise MalformedRecord("bytes after the last field")

    def tags(self) -> dict[int, bytes]:
        return {self._varint(): self._take(self._varint()) for _ in range(self._varint())}

    def _text_size(self) -> int:
        return self._varint() - 1

    def _bytes_size(self) -> int:
        return self._varint() - 1

    def _varint(self) -> int:
        number = 0
        for shift in range(0, _VARINT_SHIFT_MAX + 1, 7):
            byte = self._take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise MalformedRecord("a variable-length number has more than 5 bytes")


def flexible(data: bytes) -> Fields:
    """Returns a reader of a flexible version."""
    return _Flexible(data)
