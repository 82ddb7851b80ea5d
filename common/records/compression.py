"""Kafka's compression codecs, for any bytes.

The output of decompression is limited, whatever the input claims: snappy states its size, and the
other codecs write into a buffer of fixed size.
"""

import zlib
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from mmap import mmap
from typing import Final

import cramjam

from common.records import lz4_frame
from common.records.batch import MAGIC, Bytes, inflated_bytes_max
from common.records.errors import CorruptRecords, UnsupportedRecords


class Codec(IntEnum):
    """Codec bits of the attributes. The lower-case names are `compression.type`'s values."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


#: Codecs by number: calling the enum takes ten times as long.
_CODECS: Final = tuple(Codec)
_LAST: Final = max(Codec)


def codec_of(attributes: int) -> Codec:
    """Returns the codec in the attributes of a batch or message.

    Raises:
        UnsupportedRecords: there is no such codec.
    """
    number = attributes & 0x07
    if number > _LAST:
        raise UnsupportedRecords(f"unknown compression codec {number}")
    return _CODECS[number]


def compress(codec: Codec, data: Bytes, *, magic: int = MAGIC) -> bytes:
    """Compresses `data` for clients that read messages of `magic` (magic 0 has its own lz4)."""
    if codec is Codec.NONE:
        return bytes(data)
    if codec is Codec.LZ4:
        return lz4_frame.compress(data, broken_header=magic == 0)
    return _COMPRESSORS[codec](data)


def decompress(
    codec: Codec, data: Bytes, *, magic: int = MAGIC, bytes_max: int | None = None
) -> bytes:
    """Decompresses `data`, to at most `bytes_max` (by default `batch.inflated_bytes_max`).

    Raises:
        CorruptRecords: not the codec's format, truncated, or more than `bytes_max`.
    """
    if codec is Codec.NONE:
        return bytes(data)
    if codec is Codec.LZ4 and magic == 0:
        data = lz4_frame.with_sound_header(data)
    if bytes_max is None:
        bytes_max = inflated_bytes_max(len(data))
    return _DECOMPRESSORS[codec](data, bytes_max)


_GZIP_WINDOW_BITS: Final = 31


def _gzip(data: Bytes) -> bytes:
    # gzip.compress writes the current time, but equal records should give equal bytes.
    packer = zlib.compressobj(wbits=_GZIP_WINDOW_BITS)
    return packer.compress(data) + packer.flush()


#: Framing of the Java library snappy-java (xerial): 8 bytes, then version and compatible version.
#: The header is repeated in the middle of concatenated streams.
_XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = _XERIAL_MAGIC + bytes.fromhex("00000001 00000001")
_XERIAL_BLOCK_BYTES: Final = 32 * 1024


def _snappy(data: Bytes) -> bytes:
    # Framed for every magic: Java clients use no other format.
    view = memoryview(data)
    parts: list[Bytes] = [_XERIAL_HEADER]
    for start in range(0, len(view), _XERIAL_BLOCK_BYTES):
        block = cramjam.snappy.compress_raw(view[start : start + _XERIAL_BLOCK_BYTES])
        parts += (len(block).to_bytes(4, "big"), memoryview(block))
    return b"".join(parts)


def _unsnappy(data: Bytes, bytes_max: int) -> bytes:
    view = memoryview(data)
    if bytes(view[:8]) != _XERIAL_MAGIC:
        return _unsnappy_block(view, bytes_max)
    parts: list[bytes] = []
    position, end, room = 0, len(view), bytes_max
    while position < end:
        if bytes(view[position : position + 8]) == _XERIAL_MAGIC:
            position += len(_XERIAL_HEADER)
            continue
        block_end = position + 4 + int.from_bytes(view[position : position + 4], "big")
        if position + 4 > end or block_end > end:
            raise CorruptRecords("snappy: a block ends beyond the data")
        part = _unsnappy_block(view[position + 4 : block_end], room)
        parts.append(part)
        position, room = block_end, room - len(part)
    if position > end:
        raise CorruptRecords("snappy: the data ends within a header")
    return b"".join(parts)


def _unsnappy_block(block: memoryview, bytes_max: int) -> bytes:
    try:
        if cramjam.snappy.decompress_raw_len(block) > bytes_max:
            raise _inflates_beyond(bytes_max)
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise CorruptRecords(str(error)) from error


def _zstd(data: Bytes) -> bytes:
    return bytes(cramjam.zstd.compress(data, level=3))


#: Size of the first buffer, as a multiple of the compressed bytes, and its minimum.
_GUESS_FACTOR: Final = 8
_GUESS_BYTES_MIN: Final = 4096


def _inflate(
    decompress_into: Callable[[Bytes, bytearray | mmap], int], data: Bytes, bytes_max: int
) -> bytes:
    """Decompresses into a buffer of fixed size, since these formats need not state a size.

    A buffer that is too small fails like corrupt data, so if a likely size fails, the limit is
    tried: in mapped memory, of which only written pages cost anything.
    """
    likely = max(len(data) * _GUESS_FACTOR, _GUESS_BYTES_MIN)
    if likely < bytes_max:
        with suppress(cramjam.DecompressionError):
            output = bytearray(likely)
            return bytes(memoryview(output)[: decompress_into(data, output)])
    try:
        return _inflate_up_to(decompress_into, data, bytes_max)
    except cramjam.DecompressionError as error:
        raise CorruptRecords(f"{error} (at most {bytes_max} bytes)") from error


def _inflate_up_to(
    decompress_into: Callable[[Bytes, bytearray | mmap], int], data: Bytes, bytes_max: int
) -> bytes:
    # An empty mapping is not allowed.
    with mmap(-1, max(bytes_max, 1)) as output:
        written = decompress_into(data, output)
        if written > bytes_max:
            raise _inflates_beyond(bytes_max)
        return output[:written]


def _inflates_beyond(bytes_max: int) -> CorruptRecords:
    return CorruptRecords(f"compressed records inflate to more than {bytes_max} bytes")


_COMPRESSORS: Final[dict[Codec, Callable[[Bytes], bytes]]] = {
    Codec.GZIP: _gzip,
    Codec.SNAPPY: _snappy,
    Codec.ZSTD: _zstd,
}
_DECOMPRESSORS: Final[dict[Codec, Callable[[Bytes, int], bytes]]] = {
    Codec.GZIP: lambda data, bytes_max: _inflate(cramjam.gzip.decompress_into, data, bytes_max),
    Codec.SNAPPY: _unsnappy,
    Codec.LZ4: lambda data, bytes_max: _inflate(cramjam.lz4.decompress_into, data, bytes_max),
    Codec.ZSTD: lambda data, bytes_max: _inflate(cramjam.zstd.decompress_into, data, bytes_max),
}
