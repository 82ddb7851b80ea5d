import contextlib
import gzip
import subprocess
import sys
from pathlib import Path

import lz4.frame
import pytest
import snappy
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from common.records.compression import Codec, codec_of, compress, decompress
from common.records.errors import CorruptRecords, UnsupportedRecords

CODECS = list(Codec)
COMPRESSING = CODECS[1:]
TEXT = b"".join(b'{"key": %d, "name": "some text"}' % number for number in range(4000))


def _xerial(*blocks: bytes) -> bytes:
    header = b"\x82SNAPPY\0" + bytes.fromhex("00000001 00000001")
    packed = [snappy.compress(block) for block in blocks]
    return header + b"".join(len(block).to_bytes(4, "big") + block for block in packed)


def _zstd_stream(data: bytes) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    return packer.compress(data) + packer.flush()


#: TEXT as other libraries and clients compress it.
FOREIGN = [
    pytest.param(Codec.GZIP, gzip.compress(TEXT), id="gzip"),
    pytest.param(Codec.GZIP, gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]), id="gzip in two"),
    pytest.param(Codec.SNAPPY, snappy.compress(TEXT), id="snappy without framing"),
    pytest.param(Codec.SNAPPY, _xerial(TEXT[:9], TEXT[9:], b""), id="snappy framed"),
    pytest.param(Codec.SNAPPY, _xerial(TEXT[:9]) + _xerial(TEXT[9:]), id="snappy framed twice"),
    pytest.param(Codec.LZ4, lz4.frame.compress(TEXT, content_checksum=True), id="lz4"),
    pytest.param(Codec.LZ4, lz4.frame.compress(TEXT, block_size=7, store_size=False), id="lz4 4 M"),
    pytest.param(Codec.ZSTD, zstandard.compress(TEXT), id="zstd"),
    pytest.param(Codec.ZSTD, _zstd_stream(TEXT), id="zstd without size"),
]

#: Decompression by other libraries.
FOREIGN_DECOMPRESS = {
    Codec.NONE: bytes,
    Codec.GZIP: gzip.decompress,
    Codec.LZ4: lz4.frame.decompress,
    Codec.ZSTD: zstandard.decompress,
}


@pytest.mark.parametrize("magic", [0, 1, 2])
@pytest.mark.parametrize("codec", CODECS)
@given(data=st.binary(max_size=300))
def test_data_is_decompressed_unchanged(codec, magic, data):
    packed = compress(codec, data, magic=magic)
    assert decompress(codec, packed, magic=magic) == data
    assert decompress(codec, memoryview(packed), magic=magic, bytes_max=len(data)) == data


@pytest.mark.parametrize("magic", [0, 1, 2])
@pytest.mark.parametrize("codec", COMPRESSING)
def test_large_data_shrinks_and_is_decompressed_unchanged(codec, magic):
    packed = compress(codec, memoryview(TEXT), magic=magic)
    assert len(packed) < len(TEXT) / 2
    assert decompress(codec, packed, magic=magic) == TEXT


@pytest.mark.parametrize(("codec", "packed"), FOREIGN)
def test_compressed_data_of_other_libraries_is_read(codec, packed):
    assert decompress(codec, packed) == TEXT


@pytest.mark.parametrize("codec", FOREIGN_DECOMPRESS)
def test_compressed_data_is_read_by_other_libraries(codec):
    assert FOREIGN_DECOMPRESS[codec](compress(codec, TEXT)) == TEXT


def test_snappy_is_framed_as_java_clients_expect_it():
    packed = compress(Codec.SNAPPY, TEXT)
    assert packed == _xerial(*(TEXT[at : at + 32768] for at in range(0, len(TEXT), 32768)))


def test_gzip_of_equal_data_does_not_depend_on_the_time():
    assert compress(Codec.GZIP, TEXT)[4:8] == bytes(4)


@pytest.mark.parametrize("codec", COMPRESSING)
def test_one_byte_beyond_the_limit_is_refused(codec):
    packed = compress(codec, TEXT)
    with pytest.raises(CorruptRecords, match=r"(more than|at most) \d+ bytes"):
        decompress(codec, packed, bytes_max=len(TEXT) - 1)


#: Prints the kilobytes by which the process grew while it refused the bomb on its standard input.
REFUSE_A_BOMB = """
import resource, sys
from common.records.compression import Codec, compress, decompress
from common.records.errors import CorruptRecords

codec, bomb = Codec[sys.argv[1]], sys.stdin.buffer.read()
decompress(codec, compress(codec, b"loads the library"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decompress(codec, bomb, bytes_max=1_000_000)
except CorruptRecords:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("codec", COMPRESSING)
def test_one_byte_exceeds_a_limit_of_zero(codec):
    assert decompress(codec, compress(codec, b""), bytes_max=0) == b""
    with pytest.raises(CorruptRecords):
        decompress(codec, compress(codec, b"a"), bytes_max=0)


@pytest.mark.parametrize("codec", COMPRESSING)
def test_a_bomb_of_64_mb_allocates_little_more_memory_than_the_limit_of_one_mb(codec):
    bomb = compress(codec, bytes(64_000_000))
    command = [sys.executable, "-c", REFUSE_A_BOMB, codec.name]
    root = Path(__file__).resolve().parents[4]
    result = subprocess.run(command, input=bomb, stdout=subprocess.PIPE, check=True, cwd=root)
    assert int(result.stdout) < 8_000


def test_a_false_snappy_length_allocates_no_memory():
    for claimed in ("ffffffff0f", "80808080 08"):
        with pytest.raises(CorruptRecords, match="more than"):
            decompress(Codec.SNAPPY, bytes.fromhex(claimed) + b"abc")


@pytest.mark.parametrize("codec", COMPRESSING)
@given(data=st.binary(max_size=80))
def test_garbage_is_corrupt_or_data_but_never_another_error(codec, data):
    with contextlib.suppress(CorruptRecords):
        assert len(decompress(codec, data, bytes_max=100_000)) <= 100_000


@pytest.mark.parametrize("codec", COMPRESSING)
@given(data=st.data())
def test_changed_bytes_are_corrupt_or_data_but_never_another_error(codec, data):
    packed = bytearray(compress(codec, TEXT[:500]))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CorruptRecords):
        assert len(decompress(codec, packed, bytes_max=100_000)) <= 100_000


@pytest.mark.parametrize("codec", COMPRESSING)
def test_data_cut_anywhere_is_corrupt(codec):
    packed = compress(codec, TEXT[:100])
    # Framed snappy that ends between two blocks is complete.
    complete = {16} if codec is Codec.SNAPPY else set()
    for end in range(len(packed)):
        if end not in complete:
            with pytest.raises(CorruptRecords):
                decompress(codec, packed[:end])


def test_the_attributes_name_the_codec():
    assert [codec_of(bits | 0x38) for bits in range(5)] == CODECS
    for bits in (5, 6, 7):
        with pytest.raises(UnsupportedRecords):
            codec_of(bits)
