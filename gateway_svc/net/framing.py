"""Cuts what a client sends into frames: a 4-byte big-endian length, then that many bytes.

No sockets here. The caller receives into `buffer()` and says how much arrived; memory grows with
what arrived, never with what a length announces.
"""

from struct import Struct
from typing import Final

from gateway_svc.wire.violations import ProtocolViolation

#: A whole request without its length.
Frame = bytes

LENGTH_BYTES: Final = 4
_unpack_length: Final = Struct(">i").unpack_from

#: What is set aside at a time for the rest of a frame: as much as has arrived, within these bounds.
#: Connections that may receive again all at once hold no more than this above the common limit.
_SET_ASIDE_MIN: Final = 1024
_SET_ASIDE_MAX: Final = 128 << 10
#: Of so few bytes one copy, to be cut, costs less than a view for each frame.
_COPIED_MAX: Final = 16 << 10


def new_scratch(byte_count: int = 256 << 10) -> memoryview:
    """Memory that all connections of an event loop may receive into, one after the other."""
    return memoryview(bytearray(byte_count))


class FrameReceiver:
    """Alternate `buffer()` and `received()`. Whole frames come out oldest first.

    Frames that arrive in one piece go through the shared scratch memory and are copied out of it.
    The rest of a frame that does not is received into chunks of its own, joined at the end.
    """

    __slots__ = (
        "_chunk",
        "_chunks",
        "_filled",
        "_frame_bytes_max",
        "_left",
        "_rest",
        "_scratch",
    )

    def __init__(self, scratch: memoryview, *, frame_bytes_max: int) -> None:
        self._scratch = scratch
        self._frame_bytes_max = frame_bytes_max
        self._rest = b""  # the first bytes of a length
        self._chunks: list[bytes | bytearray] = []  # of a frame that has begun, all full
        self._chunk = bytearray()  # the one that is being filled
        self._filled = 0  # bytes of it that have arrived
        self._left = 0  # bytes that the frame still lacks

    @property
    def has_partial(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._left > 0 or bool(self._rest)

    def drop(self) -> None:
        """Lets go of a frame that has begun and will not end."""
        self._rest = b""
        self._chunks = []
        self._chunk = bytearray()
        self._filled = self._left = 0

    def buffer(self) -> memoryview:
        """Where the next bytes go. Valid until `received`, or until anybody else's `buffer`."""
        if self._left:
            return memoryview(self._chunk)[self._filled :]
        kept = len(self._rest)
        if kept:
            self._scratch[:kept] = self._rest
        return self._scratch[kept:]

    def received(self, byte_count: int) -> list[Frame]:
        """The frames that `byte_count` new bytes in the buffer complete.

        Raises:
            ProtocolViolation: the announced length is negative or over the limit.
        """
        if self._left:
            return self._received_in_chunk(byte_count)
        end = len(self._rest) + byte_count
        self._rest = b""
        return self._cut(end)

    def _cut(self, end: int) -> list[Frame]:
        frames: list[Frame] = []
        scratch: bytes | memoryview = self._scratch
        if end <= _COPIED_MAX:
            scratch = bytes(scratch[:end])
        position = 0
        while end - position >= LENGTH_BYTES:
            start = position + LENGTH_BYTES
            (length,) = _unpack_length(scratch, position)
            if not 0 <= length <= self._frame_bytes_max:
                raise ProtocolViolation(f"a frame of {length} bytes, limit {self._frame_bytes_max}")
            position = start + length
            if position > end:
                self._left = position - end
                self._chunks = [bytes(scratch[start:end])]
                self._set_aside(arrived=end - start)
                return frames
            frames.append(bytes(scratch[start:position]))
        self._rest = bytes(scratch[position:end])
        return frames

    def _set_aside(self, *, arrived: int) -> None:
        wanted = max(_SET_ASIDE_MIN - arrived, min(arrived, _SET_ASIDE_MAX))
        # A new one each time: the event loop may still hold on to the one before.
        self._chunk = bytearray(min(self._left, wanted))
        self._filled = 0

    def _received_in_chunk(self, byte_count: int) -> list[Frame]:
        self._filled += byte_count
        self._left -= byte_count
        if self._filled < len(self._chunk):
            return []
        self._chunks.append(self._chunk)
        if self._left:
            self._set_aside(arrived=sum(map(len, self._chunks[-2:])))
            return []
        frame = b"".join(self._chunks)
        self.drop()
        return [frame]
