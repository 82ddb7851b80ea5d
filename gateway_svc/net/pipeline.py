"""The requests of one connection: started in order, answered in order.

Requests that may overlap (`Pending`) are started one after the other without waiting; one that
runs alone (`Exclusive`, `InTurn`) waits until everything before it is answered, and holds back what
comes after it, as Apache Kafka does with every request. Knows no sockets: answers leave through a
`Sink`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, Protocol

from gateway_svc.dispatch.reply import Deferred, Disconnect, Parts, PendingResponse, Reply
from gateway_svc.net.framing import Frame
from gateway_svc.wire.violations import ProtocolViolation


class LoopBudget(NamedTuple):
    """What of one connection may start in one turn of the event loop; others get their turn.

    So many requests, or so many bytes of them and one more.
    """

    requests: int
    request_bytes: int


#: Owners elsewhere work on what has started while the rest is read. Measured with four partitions
#: and 32 small or 8 medium requests in flight.
SMALL_BUDGET: Final = LoopBudget(16, 48 << 10)
#: An owner in this process works when the turn is over, and gains by larger groups.
LARGE_BUDGET: Final = LoopBudget(64, 256 << 10)

#: What a request gets, or `ProtocolViolation` or `Disconnect` where it ends its connection.
Answerer = Callable[[Frame], Reply]


class Sink(Protocol):
    """The connection as its pipeline sees it."""

    def send(self, parts: Parts, answered_bytes: int) -> None:
        """`parts` are answers in order; `answered_bytes` were held by requests now done with."""
        ...

    def fail(self, error: ProtocolViolation | Disconnect) -> None:
        """The connection must end."""
        ...


class _ReadyResponse:
    """An answer that only waits for its turn."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Parts | None) -> None:
        self._parts = parts

    def finish(self) -> Parts | None:
        return self._parts


class QueuedRequest(NamedTuple):
    """A request in the queue of responses; `Deferred` until it has started."""

    reply: PendingResponse | _ReadyResponse | Deferred
    future: "asyncio.Future[Any]"  # done when the response is ready; meaningless for `Deferred`
    request_bytes: int
    started_at: float  # by the clock of the event loop


class Pipeline:
    """Feed it frames with `accept`, then `start`. All methods run on the event loop's thread."""

    __slots__ = (
        "_answer",
        "_awaited",
        "_done",
        "_flush_is_due",
        "_is_blocked",
        "_is_held",
        "_loop",
        "_places",
        "_sink",
        "_start_is_due",
        "_turn",
        "_waiting",
        "is_cancelled",
    )

    def __init__(self, answer: Answerer, sink: Sink, turn: LoopBudget) -> None:
        self._answer = answer
        self._sink = sink
        self._turn = turn
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[Any] = self._loop.create_future()
        self._done.set_result(None)
        self._waiting: deque[Frame] = deque()
        self._places: deque[QueuedRequest] = deque()
        # True while the last request of the queue is a deferred one, running or not.
        self._is_blocked = False
        self._flush_is_due = False
        self._start_is_due = False
        self._is_held = False
        self._awaited: asyncio.Future[Any] | None = None
        self.is_cancelled = False

    @property
    def unanswered(self) -> int:
        """Requests that are held in memory: waiting, running, or answered out of turn."""
        return len(self._waiting) + len(self._places)

    def accept(self, frames: Iterable[Frame]) -> None:
        self._waiting.extend(frames)

    def start(self) -> None:
        """Starts every request whose turn it is, some now and the rest soon."""
        requests_left, bytes_left = self._turn
        now = self._loop.time()
        while self._waiting and not self._is_blocked and not self._is_held:
            if requests_left == 0 or bytes_left <= 0:
                self._start_soon()
                return
            frame = self._waiting.popleft()
            size = len(frame)
            requests_left -= 1
            bytes_left -= size
            try:
                reply = self._answer(frame)
            except (ProtocolViolation, Disconnect) as error:
                self.fail(error)
                return
            place = self._place(reply, size, now)
            self._places.append(place)
            if isinstance(reply, Deferred):
                self._start_deferred()

    def _start_soon(self) -> None:
        if not self._start_is_due:
            self._start_is_due = True
            self._loop.call_soon(self._start_more)

    def _start_more(self) -> None:
        self._start_is_due = False
        self.start()

    def hold(self) -> None:
        """Starts nothing more: the peer does not read its answers."""
        self._is_held = True

    def release(self) -> None:
        self._is_held = False
        self._start_deferred()
        self.start()

    def expire(self, now: float) -> None:
        """Answers pending requests whose time is up, once they are next in turn."""
        while self._places:
            reply, future, size, started_at = self._places[0]
            if not isinstance(reply, PendingResponse) or future.done():
                return
            if now < started_at + reply.timeout_ms / 1000:
                return
            try:
                answer = _ReadyResponse(reply.expire())
            except (ProtocolViolation, Disconnect) as error:
                self.fail(error)
                return
            self._places[0] = QueuedRequest(answer, self._done, size, started_at)
            self._flush()

    def cancel(self) -> None:
        """Drops everything: the client is gone. Pending answers come to nothing."""
        self.is_cancelled = True
        self._waiting.clear()
        places, self._places = self._places, deque()
        for place in places:
            if isinstance(place.reply, PendingResponse):
                place.reply.abandon()

    def fail(self, error: ProtocolViolation | Disconnect) -> None:
        """Drops everything and ends the connection."""
        self.cancel()
        self._sink.fail(error)

    def _place(self, reply: Reply, request_bytes: int, now: float) -> QueuedRequest:
        """Of what is started, or has to wait until it is alone."""
        if isinstance(reply, PendingResponse):
            future = reply.future
            if future is not self._awaited:
                # Many small requests may wait for the same: told once for those in a row.
                self._awaited = future
                future.add_done_callback(self._on_done)
            return QueuedRequest(reply, future, request_bytes, now)
        if isinstance(reply, Deferred):
            self._is_blocked = True
            return QueuedRequest(reply, self._done, request_bytes, now)
        self._flush_soon()
        return QueuedRequest(_ReadyResponse(reply), self._done, request_bytes, now)

    def _start_deferred(self) -> None:
        """Starts the deferred request of the queue, if all responses before it have been sent."""
        if not self._is_blocked or self._is_held or len(self._places) != 1:
            return
        reply, _, size, _ = self._places[0]
        if not isinstance(reply, Deferred):
            return  # it has started
        started = reply.start()
        while isinstance(started, Deferred):
            started = started.start()
        self._places[0] = self._place(started, size, self._loop.time())

    def _on_done(self, future: "asyncio.Future[Any]") -> None:
        if future is self._awaited:
            self._awaited = None
        if not future.cancelled():
            # Looked at, so that asyncio does not report it as lost where nobody waits any more.
            future.exception()
        if not self._flush_is_due:
            # Others that are ready in the same turn are done already, and leave in the same write.
            self._flush()

    def _flush_soon(self) -> None:
        # Answers that become ready in the same turn of the event loop leave in one write.
        if not self._flush_is_due and not self.is_cancelled:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Sends what is answered, as far as nothing before it is not."""
        self._flush_is_due = False
        places = self._places
        parts: Parts = []
        answered_bytes = 0
        failure: ProtocolViolation | Disconnect | None = None
        is_stuck = True
        while places:
            reply, future, size, _ = places[0]
            if isinstance(reply, Deferred) or not future.done():
                break
            places.popleft()
            is_stuck = False
            answered_bytes += size
            try:
                answer = reply.finish()
            except (ProtocolViolation, Disconnect) as error:
                failure = error
                break
            if answer is not None:
                parts += answer
        if is_stuck:
            return
        self._sink.send(parts, answered_bytes)
        if failure is not None:
            self.fail(failure)
            return
        if not places:
            self._is_blocked = False
        self._start_deferred()
        if self._waiting:
            self.start()
