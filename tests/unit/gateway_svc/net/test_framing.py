import random

import pytest

from gateway_svc.net.framing import FrameReceiver, new_scratch
from gateway_svc.wire.violations import ProtocolViolation

LIMIT = 100_000


def framed(*frames: bytes) -> bytes:
    return b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)


def receive(receiver: FrameReceiver, data: bytes, *, at_most: int | None = None) -> list[bytes]:
    """Receives `data` as an event loop does: as much as fits the buffer, or `at_most`."""
    frames = []
    while data:
        buffer = receiver.buffer()
        count = min(len(data), len(buffer), at_most or len(data))
        buffer[:count] = data[:count]
        frames += [bytes(frame) for frame in receiver.received(count)]
        data = data[count:]
    return frames


@pytest.fixture
def receiver() -> FrameReceiver:
    return FrameReceiver(new_scratch(1024), frame_bytes_max=LIMIT)


def test_frames_of_one_read_are_returned_in_order(receiver):
    assert receive(receiver, framed(b"one", b"", b"three")) == [b"one", b"", b"three"]
    assert not receiver.has_partial


@pytest.mark.parametrize("step", [1, 2, 3, 5, 1000])
def test_frames_in_pieces_of_any_size_are_assembled(receiver, step):
    frames = [b"a" * 10, b"b" * 5000, b"", b"c" * 1020, b"d" * 1024, b"e"]
    assert receive(receiver, framed(*frames), at_most=step) == frames


def test_frames_cut_from_large_reads_equal_those_received_byte_by_byte():
    rng = random.Random(11)
    data = framed(*(rng.randbytes(rng.choice((0, 1, 200, 3000, 40_000))) for _ in range(20)))
    large, small = (FrameReceiver(new_scratch(), frame_bytes_max=LIMIT) for _ in range(2))
    cut = receive(large, data)
    assert len(cut) == 20
    assert cut == receive(small, data, at_most=1)


def test_random_frames_in_random_pieces_are_assembled(receiver):
    rng = random.Random(7)
    frames = [rng.randbytes(rng.choice((0, 3, 200, 3000, 50_000))) for _ in range(200)]
    data = framed(*frames)
    received = []
    while data:
        count = rng.randrange(1, 4000)
        received += receive(receiver, data[:count])
        data = data[count:]
    assert received == frames


def test_incomplete_frame_is_reported_as_partial(receiver):
    data = framed(b"abcd")
    for cut in range(1, len(data)):
        assert receive(receiver, data[:cut]) == []
        assert receiver.has_partial
        assert receive(receiver, data[cut:]) == [b"abcd"]
        assert not receiver.has_partial


def test_two_receivers_share_their_scratch_without_mixing_frames():
    scratch = new_scratch(256)
    first_receiver = FrameReceiver(scratch, frame_bytes_max=LIMIT)
    second_receiver = FrameReceiver(scratch, frame_bytes_max=LIMIT)
    first_data, second_data = framed(b"1" * 300), framed(b"2" * 90, b"2" * 90)
    first_frames, second_frames = [], []
    for position in range(0, 304, 7):
        first_frames += receive(first_receiver, first_data[position : position + 7])
        second_frames += receive(second_receiver, second_data[position : position + 7])
    assert first_frames == [b"1" * 300]
    assert second_frames == [b"2" * 90] * 2


@pytest.mark.parametrize("length", [-1, -(2**31), LIMIT + 1, 2**31 - 1])
def test_length_out_of_range_is_rejected_at_once(receiver, length):
    with pytest.raises(ProtocolViolation, match=f"frame of {length} bytes, limit {LIMIT}"):
        receive(receiver, length.to_bytes(4, "big", signed=True))


def test_frame_of_the_largest_size_is_accepted(receiver):
    assert receive(receiver, framed(b"x" * LIMIT)) == [b"x" * LIMIT]


def test_memory_grows_with_received_bytes_and_not_with_an_announced_length():
    receiver = FrameReceiver(new_scratch(1024), frame_bytes_max=100 << 20)
    receive(receiver, (100 << 20).to_bytes(4, "big") + b"xyz")
    assert len(receiver.buffer()) <= 1024
    arrived = 3
    for _ in range(20):
        buffer = receiver.buffer()
        assert arrived + len(buffer) <= max(1024, 4 * arrived)
        receiver.received(len(buffer))
        arrived += len(buffer)
        if arrived > 1 << 20:
            break


def test_frame_does_not_change_while_later_ones_arrive(receiver):
    large, small = framed(b"a" * 3000), framed(b"b" * 500)
    kept = []
    for data in (large, small, large.replace(b"a", b"c"), small.replace(b"b", b"d")):
        while data:
            buffer = receiver.buffer()
            count = min(len(data), len(buffer))
            buffer[:count] = data[:count]
            kept += receiver.received(count)
            data = data[count:]
    assert [bytes(frame[:1]) for frame in kept] == [b"a", b"b", b"c", b"d"]
    assert [len(frame) for frame in kept] == [3000, 500, 3000, 500]
