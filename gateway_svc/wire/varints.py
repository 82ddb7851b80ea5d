"""Unsigned varints and the tagged fields built from them (KIP-482), for the compiled codec.

Seven bits a byte, the lowest first; the high bit says that another byte follows.
"""

from collections.abc import Iterable

from gateway_svc.wire.violations import ProtocolViolation

#: A varint holds 32 bits, so five bytes (`ByteUtils.readUnsignedVarint`).
_SHIFT_MAX = 28

Bytes = bytes | memoryview


def read_uvarint(data: Bytes, position: int) -> tuple[int, int]:
    """The number at `position` and the position after it.

    Raises:
        ProtocolViolation: it goes on after its fifth byte.
        IndexError: the bytes end before it does.
    """
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > _SHIFT_MAX:
            raise ProtocolViolation("varint of more than five bytes")


def uvarint(value: int) -> bytes:
    """The bytes of a number that is not negative."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def skip_tagged_fields(data: Bytes, position: int, count: int) -> int:
    """The position after `count` tagged fields that this version does not know.

    Raises:
        ProtocolViolation: a field says it is larger than the bytes that are left.
        IndexError: the bytes end before the fields do.
    """
    for _ in range(count):
        _, position = read_uvarint(data, position)
        size, position = read_uvarint(data, position)
        if size > len(data) - position:
            raise oversized("tagged field", size, len(data) - position)
        position += size
    return position


def tagged_section(tagged: Iterable[tuple[int, bytes]]) -> bytes:
    """A whole section of (tag, encoded value), which come in the order of their tags."""
    sections = [uvarint(tag) + uvarint(len(value)) + value for tag, value in tagged]
    return uvarint(len(sections)) + b"".join(sections)


def oversized(what: str, announced: int, left: int) -> ProtocolViolation:
    """The violation of a length or count that cannot be: negative, null, or past the end."""
    return ProtocolViolation(f"{what}: {announced} announced, {left} bytes left")
