"""Cuts what a client sends into frames: a 4-byte big-endian length, then that many bytes.

No sockets here. The caller receives into `buffer()` and says how much arrived; memory grows with
what arrived, never with what a length announces.
"""

from typing import Final

from gateway_svc.wire.violations import ProtocolViolation

#: A whole request without its length. Bytes where it came in one piece, else a view of a bytearray.
Frame = bytes | memoryview

LENGTH_BYTES: Final = 4

#: How much more than what has arrived may be set aside for the rest of a frame.
_GROWTH: Final = 4
_SET_ASIDE_MIN: Final = 1024


def new_scratch(byte_count: int = 256 << 10) -> memoryview:
    """Memory that all connections of an event loop may receive into, one after the other."""
    return memoryview(bytearray(byte_count))


class FrameReceiver:
    """Alternate `buffer()` and `received()`. Whole frames come out oldest first.

    Frames that arrive in one piece go through the shared scratch memory and are copied out of it.
    The rest of a frame that does not is received straight into memory of its own, which the frame
    then is a view of.
    """

    __slots__ = ("_filled", "_frame_bytes_max", "_own", "_own_length", "_rest", "_scratch")

    def __init__(self, scratch: memoryview, *, frame_bytes_max: int) -> None:
        self._scratch = scratch
        self._frame_bytes_max = frame_bytes_max
        self._rest = b""  # the first bytes of a length
        self._own: bytearray | None = None  # a frame that has begun, without its length
        self._own_length = 0  # as announced
        self._filled = 0  # bytes of it that have arrived

    @property
    def has_partial(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._own is not None or bool(self._rest)

    def buffer(self) -> memoryview:
        """Where the next bytes go. Valid until `received`, or until anybody else's `buffer`."""
        if self._own is not None:
            return self._room_in_own(self._own)
        kept = len(self._rest)
        if kept:
            self._scratch[:kept] = self._rest
        return self._scratch[kept:]

    def received(self, byte_count: int) -> list[Frame]:
        """The frames that `byte_count` new bytes in the buffer complete.

        Raises:
            ProtocolViolation: the announced length is negative or over the limit.
        """
        if self._own is not None:
            return self._received_in_own(byte_count)
        end = len(self._rest) + byte_count
        self._rest = b""
        return self._cut(end)

    def _cut(self, end: int) -> list[Frame]:
        frames: list[Frame] = []
        scratch = self._scratch
        position = 0
        while end - position >= LENGTH_BYTES:
            start = position + LENGTH_BYTES
            length = int.from_bytes(scratch[position:start], "big", signed=True)
            if not 0 <= length <= self._frame_bytes_max:
                raise ProtocolViolation(f"a frame of {length} bytes, limit {self._frame_bytes_max}")
            position = start + length
            if position > end:
                self._begin_own(scratch[start:end], length)
                return frames
            frames.append(bytes(scratch[start:position]))
        self._rest = bytes(scratch[position:end])
        return frames

    def _begin_own(self, begun: memoryview, length: int) -> None:
        self._own_length = length
        self._filled = len(begun)
        self._own = bytearray(self._size_for(self._filled))
        self._own[: self._filled] = begun

    def _size_for(self, arrived: int) -> int:
        return min(self._own_length, max(_SET_ASIDE_MIN, _GROWTH * arrived))

    def _room_in_own(self, own: bytearray) -> memoryview:
        if self._filled == len(own):
            # A new one: the old one may still be exported to the event loop.
            grown = bytearray(self._size_for(self._filled))
            grown[: self._filled] = own
            self._own = own = grown
        return memoryview(own)[self._filled :]

    def _received_in_own(self, byte_count: int) -> list[Frame]:
        self._filled += byte_count
        if self._filled < self._own_length:
            return []
        assert self._own is not None
        frame = memoryview(self._own)
        self._own = None
        return [frame]
