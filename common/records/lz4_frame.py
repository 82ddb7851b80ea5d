"""LZ4 frames as Kafka's Java clients write and read them.

Blocks are independent and of 64 KiB, the only form that KafkaLZ4BlockInputStream.java accepts, and
have no checksums, which clients of Kafka 0.8 computed wrongly. Kafka up to 0.9 also included the
frame's magic bytes in the header checksum, and messages of magic 0 still do (KAFKA-3160):
`broken_header` writes such a checksum, `with_sound_header` replaces it by the standard one.
"""

from typing import Final

import cramjam

from common.records.batch import Bytes

_BLOCK_BYTES_MAX: Final = 64 * 1024
_RAW_BLOCK: Final = 0x80000000
_END_MARK: Final = bytes(4)

#: Magic, FLG 0x60 (version 1, independent blocks), BD 0x40 (64 KiB), header checksum.
_HEADER: Final = bytes.fromhex("04224d18 60 40 82")
_BROKEN_HEADER: Final = bytes.fromhex("04224d18 60 40 1a")

_MAGIC_BYTES: Final = 4
_CONTENT_SIZE_FLAG: Final = 0x08
_DICTIONARY_ID_FLAG: Final = 0x01

# xxHash32's five primes.
_P1, _P2, _P3, _P4, _P5 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1


def compress(data: Bytes, *, broken_header: bool) -> bytes:
    """Compresses `data` to one frame."""
    view = memoryview(data)
    parts: list[Bytes] = [_BROKEN_HEADER if broken_header else _HEADER]
    for start in range(0, len(view), _BLOCK_BYTES_MAX):
        plain = view[start : start + _BLOCK_BYTES_MAX]
        packed = memoryview(cramjam.lz4.compress_block(plain, store_size=False))
        if len(packed) < len(plain):
            parts += (len(packed).to_bytes(4, "little"), packed)
        else:
            parts += ((len(plain) | _RAW_BLOCK).to_bytes(4, "little"), plain)
    parts.append(_END_MARK)
    return b"".join(parts)


def with_sound_header(frame: Bytes) -> bytes:
    """Returns `frame` with the header checksum of the LZ4 standard."""
    sound = bytearray(frame)
    checksum_at = _checksum_position(sound)
    if checksum_at < len(sound):
        sound[checksum_at] = _xxh32(sound[_MAGIC_BYTES:checksum_at]) >> 8 & 0xFF
    return bytes(sound)


def _checksum_position(frame: bytearray) -> int:
    """Returns the position after FLG, BD, content size (8 bytes) and dictionary id (4 bytes).

    FLG has a bit for each of the last two fields that is present.
    """
    position = _MAGIC_BYTES + 2
    if len(frame) > _MAGIC_BYTES:
        flags = frame[_MAGIC_BYTES]
        position += 8 if flags & _CONTENT_SIZE_FLAG else 0
        position += 4 if flags & _DICTIONARY_ID_FLAG else 0
    return position


def _xxh32(data: bytes | bytearray) -> int:
    """Returns the xxHash32, seed 0, of at most 15 bytes: a frame descriptor has at most 14."""
    value = (_P5 + len(data)) & 0xFFFFFFFF
    whole_words = len(data) & ~3
    for start in range(0, whole_words, 4):
        word = int.from_bytes(data[start : start + 4], "little")
        value = _rotate(value + word * _P3, 17) * _P4 & 0xFFFFFFFF
    for byte in data[whole_words:]:
        value = _rotate(value + byte * _P5, 11) * _P1 & 0xFFFFFFFF
    value = (value ^ value >> 15) * _P2 & 0xFFFFFFFF
    value = (value ^ value >> 13) * _P3 & 0xFFFFFFFF
    return value ^ value >> 16


def _rotate(value: int, bits: int) -> int:
    value &= 0xFFFFFFFF
    return (value << bits | value >> (32 - bits)) & 0xFFFFFFFF
