"""The requests of one connection: started in order, answered in order.

Requests that may overlap (`Pending`) are started one after the other without waiting; one that
runs alone (`Exclusive`, `InTurn`) waits until everything before it is answered, and holds back what
comes after it, as Apache Kafka does with every request. Knows no sockets: answers leave through a
`Sink`.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from gateway_svc.handlers.reply import Disconnect, Exclusive, InTurn, Parts, Pending, Reply
from gateway_svc.net.frame_receiver import Frame
from gateway_svc.wire.violations import ProtocolViolation


class Turn(NamedTuple):
    """What of one connection may start in one turn of the event loop; others get their turn.

    So many requests, or so many bytes of them and one more.
    """

    requests: int
    request_bytes: int


#: Owners elsewhere work on what has started while the rest is read. Measured with four partitions
#: and 32 small or 8 medium requests in flight.
SHORT_TURN: Final = Turn(16, 48 << 10)
#: An owner in this process works when the turn is over, and gains by larger groups.
LONG_TURN: Final = Turn(64, 256 << 10)

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


class _Slot:
    """One request's place in the order of answers."""

    __slots__ = (
        "deadline",
        "exclusive",
        "is_done",
        "parts",
        "pending",
        "pipeline",
        "request_bytes",
    )

    def __init__(self, pipeline: "Pipeline", request_bytes: int) -> None:
        self.pipeline = pipeline
        self.request_bytes = request_bytes
        self.parts: Parts | None = None
        self.is_done = False
        self.pending: Pending | None = None
        self.exclusive: Exclusive | InTurn | None = None
        self.deadline = 0.0

    def exclusive_done(self, task: asyncio.Task[Parts | None]) -> None:
        """Callback of the exclusive request's task."""
        if not task.cancelled():
            self.pipeline.settle(self, task.result)
        elif not self.pipeline.is_cancelled:
            self.pipeline.fail(Disconnect("its request was cancelled"))


class Pipeline:
    """Feed it frames with `accept`, then `start`. All methods run on the event loop's thread."""

    __slots__ = (
        "_answer",
        "_awaited",
        "_exclusive",
        "_flush_is_due",
        "_is_held",
        "_loop",
        "_sink",
        "_slots",
        "_start_is_due",
        "_task",
        "_turn",
        "_waiters",
        "_waiting",
        "is_cancelled",
    )

    def __init__(self, answer: Answerer, sink: Sink, turn: Turn) -> None:
        self._answer = answer
        self._sink = sink
        self._turn = turn
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Frame] = deque()
        self._slots: deque[_Slot] = deque()
        self._exclusive: _Slot | None = None  # started or waiting to run alone
        self._task: asyncio.Task[Parts | None] | None = None
        self._flush_is_due = False
        self._start_is_due = False
        self._is_held = False
        self._awaited: asyncio.Future[Any] | None = None
        self._waiters: list[_Slot] = []  # for `_awaited`
        self.is_cancelled = False

    @property
    def unanswered(self) -> int:
        """Requests that are held in memory: waiting, running, or answered out of turn."""
        return len(self._waiting) + len(self._slots)

    def accept(self, frame: Frame) -> None:
        self._waiting.append(frame)

    def start(self) -> None:
        """Starts every request whose turn it is, some now and the rest soon."""
        requests_left, bytes_left = self._turn
        while self._waiting and self._exclusive is None and not self._is_held:
            if requests_left == 0 or bytes_left <= 0:
                self._start_soon()
                return
            frame = self._waiting.popleft()
            requests_left -= 1
            bytes_left -= len(frame)
            slot = _Slot(self, len(frame))
            self._slots.append(slot)
            try:
                reply = self._answer(frame)
            except (ProtocolViolation, Disconnect) as error:
                self.fail(error)
                return
            self._place(slot, reply)

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
        self._run_if_alone()
        self.start()

    def expire(self, now: float) -> None:
        """Answers pending requests whose time is up, once they are next in turn."""
        while self._slots:
            slot = self._slots[0]
            if slot.is_done or slot.pending is None or now < slot.deadline:
                return
            self.settle(slot, slot.pending.expire)
            self._flush()

    def cancel(self) -> None:
        """Drops everything: the client is gone. Pending answers come to nothing."""
        self.is_cancelled = True
        self._waiting.clear()
        self._slots.clear()
        if self._task is not None:
            self._task.cancel()

    def fail(self, error: ProtocolViolation | Disconnect) -> None:
        """Drops everything and ends the connection."""
        self.cancel()
        self._sink.fail(error)

    def settle(self, slot: _Slot, result: Callable[[], Parts | None]) -> None:
        """Puts an answer into its place; it leaves when it is next in turn."""
        if self.is_cancelled:
            return
        try:
            slot.parts = result()
        except (ProtocolViolation, Disconnect) as error:
            self.fail(error)
            return
        slot.is_done = True
        if not self._flush_is_due:
            # Answers that become ready in the same turn of the event loop leave in one write.
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _place(self, slot: _Slot, reply: Reply) -> None:
        if isinstance(reply, Pending):
            slot.pending = reply
            slot.deadline = self._loop.time() + reply.timeout_ms / 1000
            self._wait(slot, reply.future)
        elif isinstance(reply, Exclusive | InTurn):
            slot.exclusive = reply
            self._exclusive = slot
            self._run_if_alone()
        else:
            self.settle(slot, lambda: reply)

    def _wait(self, slot: _Slot, future: asyncio.Future[Any]) -> None:
        """Many small requests may wait for the same: those in a row are told in one callback."""
        if future is self._awaited and not future.done():
            self._waiters.append(slot)
            return
        self._awaited, self._waiters = future, [slot]
        future.add_done_callback(partial(self._tell, self._waiters))

    def _tell(self, slots: list[_Slot], future: asyncio.Future[Any]) -> None:
        if future is self._awaited:
            self._awaited, self._waiters = None, []
        for slot in slots:
            if slot.pending is not None and not slot.is_done and not self.is_cancelled:
                self.settle(slot, slot.pending.finish)
            elif not future.cancelled():
                # Nobody waits any more. Looked at, so that asyncio does not report it as lost.
                future.exception()

    def _run_if_alone(self) -> None:
        slot = self._exclusive
        if slot is None or slot.exclusive is None or slot is not self._slots[0] or self._is_held:
            return
        exclusive, slot.exclusive = slot.exclusive, None
        if isinstance(exclusive, InTurn):
            self._place(slot, exclusive.start())
            return
        self._task = self._loop.create_task(exclusive.run())
        self._task.add_done_callback(slot.exclusive_done)

    def _flush(self) -> None:
        self._flush_is_due = False
        slots = self._slots
        parts: Parts = []
        answered_bytes = 0
        while slots and slots[0].is_done:
            slot = slots.popleft()
            answered_bytes += slot.request_bytes
            if slot.parts is not None:
                parts += slot.parts
            if slot is self._exclusive:
                self._exclusive = self._task = None
        self._sink.send(parts, answered_bytes)
        if self._exclusive is not None:
            self._run_if_alone()
        elif self._waiting:
            self.start()
