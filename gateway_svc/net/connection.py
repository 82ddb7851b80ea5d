"""One client's connection: receives frames, sends answers, and keeps to its limits.

Glue between the event loop's transport and the parts that do the work: `FrameReceiver` cuts,
`Pipeline` orders, `RequestMemory` bounds. It pauses receiving where the client sends faster than
it is served, starts nothing while the client does not read its answers, and is closed where it
stalls, idles or moves its bytes too slowly.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway_svc.dispatch.context import Peer
from gateway_svc.dispatch.reply import Disconnect, Parts
from gateway_svc.net.framing import LENGTH_BYTES, FrameReceiver
from gateway_svc.net.memory_limit import RequestMemory
from gateway_svc.net.pipeline import Answerer, LoopBudget, Pipeline
from gateway_svc.net.transfer_rate import TransferRate
from gateway_svc.wire.violations import ProtocolViolation

log = logging.getLogger(__name__)

#: What every connection may hold without asking the common memory for room.
ALLOWANCE_BYTES: Final = 64 << 10

#: How long a client may take to close after it was told that no more answers will come.
LINGER_S: Final = 1.0

#: While others wait for memory, what holds it has to move so many times faster ...
_PACE_IN_NEED: Final = 64
#: ... and a request that alone may grow is looked at after this part of the time.
_WINDOW_IN_NEED: Final = 1 / 12

#: Requests that one connection may have waiting or under way; clients use five to a few dozen.
UNANSWERED_MAX: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How much, and how long. Times are in seconds."""

    frame_bytes_max: int
    held_bytes_max: int  # of requests that are not yet answered
    idle_s: float  # with nothing asked
    stalled_s: float  # half a frame sent, or an answer half read, and not a byte moves
    bytes_per_second_min: int  # or fewer than so many, over that time; 0: any pace is right


class SharedState(NamedTuple):
    """What the sessions of one process have in common."""

    limits: ConnectionLimits
    memory: RequestMemory
    scratch: memoryview
    connect: Callable[[Peer], Answerer]
    admit: Callable[["ClientConnection"], bool]
    leave: Callable[["ClientConnection"], None]
    loop_budget: LoopBudget


class ClientConnection(asyncio.BufferedProtocol):
    """`admit` may refuse the connection at its start; `leave` is called once when it has ended."""

    def __init__(self, shared: SharedState, *, listener: str) -> None:
        self._shared = shared
        self._listener = listener
        self._receiver = FrameReceiver(
            shared.scratch, frame_bytes_max=shared.limits.frame_bytes_max
        )
        self._loop = asyncio.get_running_loop()
        self._held = 0  # bytes received and not yet answered
        self._unsent = 0  # bytes of answers that the client has not taken
        self._moved_at = self._loop.time()
        self._received = 0  # bytes in all
        self._written = 0  # of answers, while their pace is watched
        self._receiving_pace = TransferRate()
        self._sending_pace = TransferRate()
        self._is_paused = False
        self._is_draining = False
        self._lingering: asyncio.TimerHandle | None = None

    # Stream servers hand out nothing less; uvloop's is no subclass that could be checked.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        # A client may be gone before its connection is looked at: then there is no peer.
        peer = transport.get_extra_info("peername") or ("an unknown address",)
        local = transport.get_extra_info("sockname") or ("",)
        self.peer = Peer(self._listener, host=peer[0], port=(*peer, 0)[1], local_host=local[0])
        self._pipeline = Pipeline(self._shared.connect(self.peer), self, self._shared.loop_budget)
        if not self._shared.admit(self):
            transport.abort()
            return
        _keep_alive(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            log.debug("lost %s: %s", self.peer, exc)
        if self._lingering is not None:
            self._lingering.cancel()
        self._pipeline.cancel()
        # At once: this object is part of cycles, and may stay for a while.
        self._receiver.drop()
        given, self._held, self._unsent = self._held + self._unsent, 0, 0
        self._shared.memory.withdraw(self)
        self._shared.memory.release(given)
        self._shared.leave(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._shared.scratch if self._is_draining else self._receiver.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self._moved_at = self._loop.time()
        if self._is_draining:
            return
        self._held += nbytes
        self._received += nbytes
        self._shared.memory.acquire(nbytes)
        try:
            frames = self._receiver.received(nbytes)
        except ProtocolViolation as violation:
            self._pipeline.fail(violation)
            return
        if frames:
            self._pipeline.accept(frames)
            self._release(LENGTH_BYTES * len(frames))
            self._pipeline.start()
        if self._held > ALLOWANCE_BYTES or self._pipeline.unanswered >= UNANSWERED_MAX:
            self._regulate()

    def eof_received(self) -> None:
        """The client left: what it asked is cancelled by `connection_lost`."""

    def pause_writing(self) -> None:
        self._pipeline.pause()
        self._note_unsent()

    def resume_writing(self) -> None:
        self._moved_at = self._loop.time()
        self._note_unsent()
        self._pipeline.resume()

    def send(self, parts: Parts, answered_bytes: int) -> None:
        """From the pipeline: answers, in order."""
        if parts:
            self._moved_at = self._loop.time()
            if self._sending_pace.is_watched:
                self._written += sum(map(len, parts))
            self._transport.writelines(parts)
        self._release(answered_bytes)
        # The overcommit holder too: it may have nothing more to receive, and must pass it on.
        if self._is_paused or self._shared.memory.holds_overcommit(self):
            self._regulate()
        if self._is_draining and not self._pipeline.unanswered:
            self._say_goodbye()

    def fail(self, error: ProtocolViolation | Disconnect) -> None:
        """From the pipeline: the connection ends; answers already written still leave."""
        log.info("closing %s: %s", self.peer, error)
        self._transport.close()

    def memory_freed(self) -> None:
        """From the common memory: there may be room."""
        self._regulate()

    def drain(self) -> None:
        """Answers what has been asked, ignores what comes from now on, and closes."""
        self._is_draining = True
        self._regulate()
        if not self._pipeline.unanswered:
            self._say_goodbye()

    def abort(self) -> None:
        """Ends the connection now; what was not sent is lost."""
        self._transport.abort()

    def sweep(self, now: float) -> None:
        """Looks after time: pending answers that are overdue, stalled and idle clients."""
        self._pipeline.expire(now)
        self._note_unsent()
        if self._is_paused:
            # Those who were woken before may have had nothing to receive.
            self._regulate()
        still_s = now - self._moved_at
        limits = self._shared.limits
        if still_s > limits.stalled_s and self._is_half_way():
            log.info("closing %s: no byte moved for %d s", self.peer, still_s)
            self._transport.abort()
        elif self._receives_slowly(now) or self._sends_slowly(now):
            log.info("closing %s: a request or a response moves too slowly", self.peer)
            self._transport.abort()
        elif still_s > limits.idle_s and not self._pipeline.unanswered:
            log.debug("closing %s: idle for %d s", self.peer, still_s)
            self._transport.close()

    def _receives_slowly(self, now: float) -> bool:
        """True where half a request keeps its memory without becoming whole."""
        if self._is_paused or not self._receiver.has_partial:
            self._receiving_pace.rest()
            return False
        limits, memory = self._shared.limits, self._shared.memory
        # All who wait for memory wait for this one: others that hold some may not receive.
        is_needed = memory.has_waiters and memory.holds_overcommit(self)
        return self._receiving_pace.is_slow(
            now,
            self._received,
            window_s=limits.stalled_s * (_WINDOW_IN_NEED if is_needed else 1),
            bytes_per_second=limits.bytes_per_second_min * (_PACE_IN_NEED if is_needed else 1),
        )

    def _sends_slowly(self, now: float) -> bool:
        """True where the client takes its answers too slowly. Call it after `_note_unsent`."""
        if not self._unsent:
            self._sending_pace.rest()
            self._written = 0
            return False
        limits, is_needed = self._shared.limits, self._shared.memory.has_waiters
        return self._sending_pace.is_slow(
            now,
            self._written - self._unsent,
            window_s=limits.stalled_s,
            bytes_per_second=limits.bytes_per_second_min * (_PACE_IN_NEED if is_needed else 1),
        )

    def _say_goodbye(self) -> None:
        """Lets the client close: closing first would, where it still sends, take back answers."""
        if self._lingering is None and not self._transport.is_closing():
            self._transport.write_eof()
            self._lingering = self._loop.call_later(LINGER_S, self._transport.abort)

    def _release(self, byte_count: int) -> None:
        self._held -= byte_count
        self._shared.memory.release(byte_count)

    def _is_half_way(self) -> bool:
        return self._unsent > 0 or (self._receiver.has_partial and not self._is_paused)

    def _note_unsent(self) -> None:
        """Counts what waits in the transport against the common memory."""
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._moved_at = self._loop.time()
            self._shared.memory.acquire(unsent - self._unsent)
            self._unsent = unsent

    def _regulate(self) -> None:
        """Receives on exactly where there is room for more."""
        if self._transport.is_closing():
            return
        if not self._is_draining and not self._has_room():
            if not self._is_paused:
                self._is_paused = True
                self._transport.pause_reading()
        elif self._is_paused:
            self._is_paused = False
            self._moved_at = self._loop.time()
            self._transport.resume_reading()

    def _has_room(self) -> bool:
        unanswered = self._pipeline.unanswered
        if unanswered >= UNANSWERED_MAX:
            return False
        # A single request may be larger than the bound; it must come in whole to be answered.
        if unanswered and self._held > self._shared.limits.held_bytes_max:
            return False
        if self._held > ALLOWANCE_BYTES:
            return self._shared.memory.may_grow(self)
        self._shared.memory.withdraw(self)
        return True


def _keep_alive(transport: asyncio.Transport) -> None:
    """Lets the system find clients that vanished without closing, as Kafka does."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
