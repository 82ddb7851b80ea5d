"""One client's connection: receives frames, sends responses, and enforces its limits.

Connects the event loop's transport with the parts that do the work: `FrameReceiver` cuts the bytes
into frames, `Pipeline` orders the responses, `RequestMemory` bounds the memory. A connection stops
receiving if the client sends faster than it is served, starts no requests while the client does not
read its responses, and is closed if it stalls, is idle, or transfers too slowly.
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
from gateway_svc.net.pipeline import FrameHandler, LoopBudget, Pipeline
from gateway_svc.net.transfer_rate import ConnectionRates
from gateway_svc.wire.violations import ProtocolViolation

log = logging.getLogger(__name__)

#: Bytes of requests that every connection may hold without asking `RequestMemory`.
ALLOWANCE_BYTES: Final = 64 << 10

#: How long a drained client may take to close its end, after the end of the responses was sent.
LINGER_S: Final = 1.0

#: Requests that one connection may have without a response; clients use five to a few dozen.
IN_FLIGHT_MAX: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Limits of size, time and rate of each connection. Times are in seconds."""

    frame_bytes_max: int
    request_bytes_max: int  # of the requests in flight
    idle_s: float  # without a request
    stalled_s: float  # in the middle of a frame or a response without transferring a byte
    bytes_per_second_min: int  # rate in the middle of either, over `stalled_s`; 0: no minimum


class SharedState(NamedTuple):
    """State and callbacks that the connections of one process share.

    `scratch` is the buffer that all receive into. `connect` returns the function that starts a
    peer's requests. `admit` returns False to refuse a connection; `remove` is called when one ends.
    """

    limits: ConnectionLimits
    memory: RequestMemory
    scratch: memoryview
    connect: Callable[[Peer], FrameHandler]
    admit: Callable[["ClientConnection"], bool]
    remove: Callable[["ClientConnection"], None]
    loop_budget: LoopBudget


class ClientConnection(asyncio.BufferedProtocol):
    """The protocol of one connection, from its acceptance to its end. Also its pipeline's sink."""

    def __init__(self, shared: SharedState, *, listener: str) -> None:
        self._shared = shared
        self._listener = listener
        self._receiver = FrameReceiver(
            shared.scratch, frame_bytes_max=shared.limits.frame_bytes_max
        )
        self._loop = asyncio.get_running_loop()
        self._request_bytes = 0  # of requests that were received and have no response
        self._unsent_bytes = 0  # of responses in the transport
        self._transferred_at = self._loop.time()  # when a byte was received or sent last
        self._received_bytes = 0  # in total
        self._written_bytes = 0  # of responses, while `_rates.send` is measured
        self._rates = ConnectionRates(
            window_s=shared.limits.stalled_s,
            bytes_per_second_min=shared.limits.bytes_per_second_min,
        )
        self._is_paused = False
        self._is_draining = False
        self._linger_timer: asyncio.TimerHandle | None = None

    # Stream servers always pass a Transport; uvloop's is no subclass, so isinstance cannot check.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        # The client may have disconnected already: then the peer's address is unknown.
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
            log.debug("lost the connection to %s: %s", self.peer, exc)
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        self._pipeline.cancel()
        # Freed at once: this object is part of reference cycles, which are collected later.
        self._receiver.drop()
        held_bytes = self._request_bytes + self._unsent_bytes
        self._request_bytes = self._unsent_bytes = 0
        self._shared.memory.withdraw(self)
        self._shared.memory.release(held_bytes)
        self._shared.remove(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._shared.scratch if self._is_draining else self._receiver.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self._transferred_at = self._loop.time()
        if self._is_draining:
            return
        self._request_bytes += nbytes
        self._received_bytes += nbytes
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
        if self._request_bytes > ALLOWANCE_BYTES or self._pipeline.in_flight >= IN_FLIGHT_MAX:
            self._update_reading()

    def eof_received(self) -> None:
        """Closes the connection, by returning None; `connection_lost` cancels its requests."""

    def pause_writing(self) -> None:
        self._pipeline.pause()
        self._count_unsent()

    def resume_writing(self) -> None:
        self._transferred_at = self._loop.time()
        self._count_unsent()
        self._pipeline.resume()

    def send(self, parts: Parts, request_bytes: int) -> None:
        """Called by the pipeline with responses, in order."""
        if parts:
            self._transferred_at = self._loop.time()
            if self._rates.send.is_measured:
                self._written_bytes += sum(map(len, parts))
            self._transport.writelines(parts)
        self._release(request_bytes)
        # The overcommit holder too: it may have nothing more to receive, and must pass that on.
        if self._is_paused or self._shared.memory.holds_overcommit(self):
            self._update_reading()
        if self._is_draining and not self._pipeline.in_flight:
            self._finish_drain()

    def fail(self, error: ProtocolViolation | Disconnect) -> None:
        """Called by the pipeline to end the connection, after the responses written so far."""
        log.info("closing %s: %s", self.peer, error)
        self._transport.close()

    def memory_freed(self) -> None:
        """Called by `RequestMemory`: there may be room."""
        self._update_reading()

    def drain(self) -> None:
        """Responds to the requests received so far, ignores later bytes, and closes."""
        self._is_draining = True
        self._update_reading()
        if not self._pipeline.in_flight:
            self._finish_drain()

    def abort(self) -> None:
        """Closes the connection at once; unsent responses are lost."""
        self._transport.abort()

    def check_timeouts(self, now: float) -> None:
        """Expires overdue requests, and closes stalled, slow and idle connections."""
        self._pipeline.expire(now)
        self._count_unsent()
        if self._is_paused:
            # Connections that were notified before this one may have had nothing to receive.
            self._update_reading()
        still_s = now - self._transferred_at
        limits = self._shared.limits
        if still_s > limits.stalled_s and self._is_transferring():
            log.info("closing %s: no byte transferred for %d s", self.peer, still_s)
            self._transport.abort()
        elif self._is_slow(now):
            log.info("closing %s: a request or a response is transferred too slowly", self.peer)
            self._transport.abort()
        elif still_s > limits.idle_s and not self._pipeline.in_flight:
            log.debug("closing %s: idle for %d s", self.peer, still_s)
            self._transport.close()

    def _is_slow(self, now: float) -> bool:
        """True if the client sends a request or reads a response too slowly.

        Call it after `_count_unsent`.
        """
        memory = self._shared.memory
        if not self._unsent_bytes:
            self._written_bytes = 0
        is_receive_slow = self._rates.is_receive_slow(
            now,
            self._received_bytes,
            is_under_way=self._receiver.has_partial and not self._is_paused,
            # All waiters wait for the overcommit holder: no other connection above its allowance
            # may receive.
            is_memory_short=memory.has_waiters and memory.holds_overcommit(self),
        )
        return is_receive_slow or self._rates.is_send_slow(
            now,
            self._written_bytes - self._unsent_bytes,
            is_under_way=self._unsent_bytes > 0,
            is_memory_short=memory.has_waiters,
        )

    def _finish_drain(self) -> None:
        """Ends the responses, and lets the client close.

        Closing first would reset the connection if the client still sends, and it could lose
        responses.
        """
        if self._linger_timer is None and not self._transport.is_closing():
            self._transport.write_eof()
            self._linger_timer = self._loop.call_later(LINGER_S, self._transport.abort)

    def _release(self, byte_count: int) -> None:
        self._request_bytes -= byte_count
        self._shared.memory.release(byte_count)

    def _is_transferring(self) -> bool:
        return self._unsent_bytes > 0 or (self._receiver.has_partial and not self._is_paused)

    def _count_unsent(self) -> None:
        """Counts the bytes in the transport as memory in use."""
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent_bytes:
            self._transferred_at = self._loop.time()
            self._shared.memory.acquire(unsent - self._unsent_bytes)
            self._unsent_bytes = unsent

    def _update_reading(self) -> None:
        """Pauses or resumes receiving, by whether there is room for more."""
        if self._transport.is_closing():
            return
        if not self._is_draining and not self._has_room():
            if not self._is_paused:
                self._is_paused = True
                self._transport.pause_reading()
        elif self._is_paused:
            self._is_paused = False
            self._transferred_at = self._loop.time()
            self._transport.resume_reading()

    def _has_room(self) -> bool:
        in_flight = self._pipeline.in_flight
        if in_flight >= IN_FLIGHT_MAX:
            return False
        # A single request may be larger than the limit; it must be complete to start.
        if in_flight and self._request_bytes > self._shared.limits.request_bytes_max:
            return False
        if self._request_bytes > ALLOWANCE_BYTES:
            return self._shared.memory.may_grow(self)
        self._shared.memory.withdraw(self)
        return True


def _keep_alive(transport: asyncio.Transport) -> None:
    """Enables TCP keepalive, as Kafka does: it finds clients that vanished without closing."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
