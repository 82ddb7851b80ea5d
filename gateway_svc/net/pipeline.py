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

from gateway_svc.dispatch.reply import Disconnect, Exclusive, InTurn, Parts, Pending, Reply
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


class _Answered:
    """An answer that only waits for its turn."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Parts | None) -> None:
        self._parts = parts

    def finish(self) -> Parts | None:
        return self._parts


class _Alone:
    """A request that runs, or is to run, while no other of its connection does."""

    __slots__ = ("_task", "request")

    def __init__(self, request: Exclusive | InTurn) -> None:
        self.request = request
        self._task: asyncio.Task[Parts | None] | None = None

    def run(self, request: Exclusive) -> "asyncio.Task[Parts | None]":
        self._task = asyncio.get_running_loop().create_task(request.run())
        return self._task

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def finish(self) -> Parts | None:
        assert self._task is not None
        if self._task.cancelled():
            raise Disconnect("its request was cancelled")
        return self._task.result()


class _Place(NamedTuple):
    """Of a request, in the order of answers."""

    reply: Pending | _Answered | _Alone
    future: "asyncio.Future[Any] | None"  # done when there is an answer; None: it does not run yet
    request_bytes: int
    started_at: float


_new_tuple: Final = tuple.__new__


class Pipeline:
    """Feed it frames with `accept`, then `start`. All methods run on the event loop's thread."""

    __slots__ = (
        "_alone",
        "_answer",
        "_awaited",
        "_done",
        "_flush_is_due",
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
        self._places: deque[_Place] = deque()
        self._alone: _Alone | None = None  # is the last of `_places`, until it is answered
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
        while self._waiting and self._alone is None and not self._is_held:
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
            if place.future is None:
                self._run_if_first()

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
        self._run_if_first()
        self.start()

    def expire(self, now: float) -> None:
        """Answers pending requests whose time is up, once they are next in turn."""
        while self._places:
            reply, future, size, started_at = self._places[0]
            if not isinstance(reply, Pending) or future is None or future.done():
                return
            if now < started_at + reply.timeout_ms / 1000:
                return
            try:
                answer = _Answered(reply.expire())
            except (ProtocolViolation, Disconnect) as error:
                self.fail(error)
                return
            self._places[0] = _Place(answer, self._done, size, started_at)
            self._flush()

    def cancel(self) -> None:
        """Drops everything: the client is gone. Pending answers come to nothing."""
        self.is_cancelled = True
        self._waiting.clear()
        places, self._places = self._places, deque()
        for place in places:
            if isinstance(place.reply, Pending):
                place.reply.abandon()
        if self._alone is not None:
            self._alone.cancel()

    def fail(self, error: ProtocolViolation | Disconnect) -> None:
        """Drops everything and ends the connection."""
        self.cancel()
        self._sink.fail(error)

    def _place(self, reply: Reply, request_bytes: int, now: float) -> _Place:
        """Of what is started, or has to wait until it is alone."""
        if isinstance(reply, Pending):
            future = reply.future
            if future is not self._awaited:
                # Many small requests may wait for the same: told once for those in a row.
                self._awaited = future
                future.add_done_callback(self._on_done)
            return _new_tuple(_Place, (reply, future, request_bytes, now))
        if isinstance(reply, Exclusive | InTurn):
            self._alone = _Alone(reply)
            return _Place(self._alone, None, request_bytes, now)
        self._flush_soon()
        return _Place(_Answered(reply), self._done, request_bytes, now)

    def _run_if_first(self) -> None:
        """Starts who is to be alone, once everything before it is answered."""
        if self._alone is None or self._is_held or len(self._places) != 1:
            return
        first, future, size, started_at = self._places[0]
        if future is not None:
            return
        request = self._alone.request
        if isinstance(request, Exclusive):
            task = self._alone.run(request)
            task.add_done_callback(self._on_done)
            self._places[0] = _Place(first, task, size, started_at)
        else:
            self._places[0] = self._place(request.start(), size, self._loop.time())
            # It may have become an exclusive one.
            self._run_if_first()

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
            if future is None or not future.done():
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
        if self._alone is not None and not places:
            # Nothing was started after it.
            self._alone = None
        self._run_if_first()
        if self._waiting:
            self.start()
