import lz4.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.records.lz4_frame import compress, with_sound_header

PLAIN = b"ringlog " * 8

#: The lz4 library's frame of PLAIN with content size and content checksum, and the header checksum
#: that Kafka 0.9 would have written (xxHash32 of magic and descriptor, by the xxhash package).
SIZED = bytes.fromhex(
    "04224d18 6c40 4000000000000000 da 12000000 8f72696e676c6f672008002050676c6f6720"
    "00000000 f943f264"
)
BROKEN_SIZED = SIZED[:14] + b"\x97" + SIZED[15:]


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, 300_000])
@pytest.mark.parametrize("fill", [b"\0", b"0123456789abcdef"], ids=["zeros", "text"])
def test_the_lz4_library_reads_our_frames(size, fill):
    data = (fill * size)[:size]
    assert lz4.frame.decompress(compress(data, broken_header=False)) == data


@given(st.binary(max_size=200))
def test_data_that_does_not_shrink_is_stored_uncompressed(data):
    frame = compress(data, broken_header=False)
    assert lz4.frame.decompress(frame) == data
    assert len(frame) <= len(data) + 15


def test_frames_have_the_format_that_kafkas_java_clients_require():
    info = lz4.frame.get_frame_info(compress(bytes(100_000), broken_header=False))
    assert not info["block_linked"]
    assert info["block_size"] == 64 * 1024
    assert not info["content_checksum"]
    assert not info["block_checksum"]


def test_the_broken_header_differs_in_its_checksum_only():
    sound, broken = (compress(PLAIN, broken_header=flag) for flag in (False, True))
    assert (sound[:6], sound[7:]) == (broken[:6], broken[7:])
    # Computed by the xxhash package: of the descriptor, and of magic and descriptor.
    assert (sound[6], broken[6]) == (0x82, 0x1A)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(compress(PLAIN, broken_header=True), id="written by ringlog"),
        pytest.param(BROKEN_SIZED, id="with content size"),
        pytest.param(SIZED, id="not broken at all"),
    ],
)
def test_a_broken_header_is_repaired(frame):
    assert lz4.frame.decompress(with_sound_header(frame)) == PLAIN


def test_the_lz4_library_refuses_a_broken_header():
    with pytest.raises(RuntimeError):
        lz4.frame.decompress(BROKEN_SIZED)


def test_a_frame_cut_in_its_header_is_returned_unchanged():
    for end in range(7):
        assert with_sound_header(SIZED[:end]) == SIZED[:end]
    assert with_sound_header(SIZED[:14]) == SIZED[:14]
