"""Zigzag varints of the v2 record format (ByteUtils.java, the same as protobuf's `sint`)."""

from typing import Final

from common.records.errors import CorruptRecords

_SHIFT_MAX: Final = 63
_SMALL_COUNT: Final = 2048
_NUMBERS: Final = range(-1 << 63, 1 << 63)


def _encode(number: int) -> bytes:
    if number not in _NUMBERS:
        raise CorruptRecords(f"the number {number} does not fit into 64 bits")
    zigzag = (number << 1) ^ (number >> 63)
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


#: Encodings of small numbers, which nearly all lengths and deltas of records are.
_SMALL: Final = tuple(_encode(number) for number in range(_SMALL_COUNT))


def encode_varint(number: int) -> bytes:
    """Encodes `number` in 1 to 10 bytes.

    Raises:
        CorruptRecords: the number does not fit into 64 bits, signed.
    """
    return _SMALL[number] if 0 <= number < _SMALL_COUNT else _encode(number)


def decode_varint(data: bytes, position: int) -> tuple[int, int]:
    """Returns the number at `position`, and the position after it.

    Raises:
        CorruptRecords: the number does not end within 10 bytes, or does not fit into 64 bits.
        IndexError: `data` ends first.
    """
    zigzag = data[position]
    if zigzag < 0x80:
        return (zigzag >> 1) ^ -(zigzag & 1), position + 1
    second = data[position + 1]
    if second < 0x80:
        zigzag = zigzag & 0x7F | second << 7
        return (zigzag >> 1) ^ -(zigzag & 1), position + 2
    return _decode_long(data, position)


def _decode_long(data: bytes, position: int) -> tuple[int, int]:
    zigzag = shift = 0
    while (byte := data[position]) > 0x7F:
        position += 1
        zigzag |= (byte & 0x7F) << shift
        shift += 7
        if shift > _SHIFT_MAX:
            raise CorruptRecords("a variable-length number has more than 10 bytes")
    zigzag |= byte << shift
    if zigzag >> 64:
        raise CorruptRecords("a variable-length number has more than 64 bits")
    return (zigzag >> 1) ^ -(zigzag & 1), position + 1
