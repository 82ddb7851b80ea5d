"""Small calls about groups to one partition service, over one long-lived stream.

Whatever waits leaves together in the next message, as soon as the one before is written: no timer
(as with appends, see `append_sender.py`). Calls begin at the owner in the order in which they were
submitted; answers come in any order and find their call by its id. Where the stream breaks, the
outcome of everything on it is unknown.
"""

import asyncio
import logging
from asyncio import Future
from collections import deque
from collections.abc import Callable
from itertools import chain
from typing import Any, Final, NamedTuple, TypeVar

import grpc.aio

from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import CALL_TIMEOUT_S, unavailable_on_failure
from common.rpc.wire_format import delimited_head
from protos.coordinator.v1 import coordinator_pb2 as pb

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Messages go out as bytes: calls are encoded one by one, when they are submitted.
Stream = grpc.aio.StreamStreamCall[bytes, pb.GroupAnswers]

_METHOD: Final = "/coordinator.v1.CoordinatorService/CallStream"
_CALLS_FIELD: Final = pb.GroupCalls.CALLS_FIELD_NUMBER

#: What one message holds at most; one call may be larger.
_MESSAGE_BYTES_MAX: Final = 1 << 20
_MESSAGE_CALLS_MAX: Final = 512

#: What may be on its way to the owner without an answer. More waits here.
_UNANSWERED_BYTES_MAX: Final = 8 << 20

#: How often overdue answers are looked for.
_LOOK_S: Final = 1.0

_BACKOFF_S_MIN: Final = 0.05
_BACKOFF_S_MAX: Final = 1.0


class _Call(NamedTuple):
    call_id: int
    encoded: bytes
    kind: str  # the field of the call, and of its answer
    read: Callable[[pb.GroupAnswer], Any]
    future: "Future[Any]"
    since: float  # when it was submitted, in loop time


def open_call_stream(channel: grpc.aio.Channel) -> Stream:
    # Not the stub's: that would copy each call into the message once more.
    stream: Any = channel.stream_stream(_METHOD, response_deserializer=pb.GroupAnswers.FromString)
    opened: Stream = stream()
    return opened


class GroupCalls:
    """Sends from the first call on, and connects again whenever the stream was lost."""

    def __init__(
        self,
        name: str,
        open_stream: Callable[[], Stream],
        *,
        answer_timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        """`name` is the owner's, for errors. A call without an answer in time fails."""
        self._name = name
        self._open_stream = open_stream
        self._answer_timeout_s = answer_timeout_s
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Call] = deque()
        self._unanswered: dict[int, _Call] = {}  # by id, oldest first
        self._unanswered_bytes = 0
        self._answered_at = 0.0
        self._next_id = 0
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._backoff_s = _BACKOFF_S_MIN

    def submit(self, call: pb.GroupCall, read: Callable[[pb.GroupAnswer], T]) -> "Future[T]":
        """What `read` makes of the answer, or `BackendUnavailable`. A caller may cancel."""
        self._next_id = call_id = self._next_id + 1
        call.call_id = call_id
        future: Future[T] = self._loop.create_future()
        kind: str = call.WhichOneof("call")
        encoded = call.SerializeToString()
        self._waiting.append(_Call(call_id, encoded, kind, read, future, self._loop.time()))
        if self._running is None:
            self._running = self._loop.create_task(self._run())
        self._wake.set()
        return future

    async def close(self) -> None:
        """Ends the stream. What has no answer yet fails."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        self._fail_all(BackendUnavailable(f"{self._name}: the gateway is stopping"))

    async def _run(self) -> None:
        while True:
            await self._until_wanted()
            try:
                with unavailable_on_failure(f"{self._name} CallStream"):
                    await self._run_stream(self._open_stream())
            except BackendUnavailable as error:
                log.info("stream of group calls lost: %s", error)
                self._fail_all(error)
            except Exception as error:
                log.exception("stream of group calls to %s failed", self._name)
                self._fail_all(BackendUnavailable(f"{self._name}: {error!r}"))
            await asyncio.sleep(self._backoff_s)
            self._backoff_s = min(2 * self._backoff_s, _BACKOFF_S_MAX)

    async def _until_wanted(self) -> None:
        while not self._waiting:
            self._wake.clear()
            await self._wake.wait()

    async def _run_stream(self, stream: Stream) -> None:
        """Sends and receives until the stream ends, which raises."""
        self._answered_at = 0.0
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send(stream))
                group.create_task(self._watch())
                await self._receive(stream)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            stream.cancel()

    async def _send(self, stream: Stream) -> None:
        while True:
            await self._until_wanted()
            while self._waiting and self._unanswered_bytes < _UNANSWERED_BYTES_MAX:
                await self._write(stream, self._next_message())
            self._wake.clear()
            await self._wake.wait()

    async def _write(self, stream: Stream, message: bytes) -> None:
        try:
            await stream.write(message)
        except asyncio.InvalidStateError as error:
            # It ended a moment ago, and `_receive` has not been told why yet.
            raise BackendUnavailable(f"{self._name} CallStream: ended") from error

    def _next_message(self) -> bytes:
        """As much of what waits as one may hold; each call in it now counts as unanswered."""
        parts: list[bytes] = []
        room = _MESSAGE_BYTES_MAX
        while self._waiting and len(parts) < 2 * _MESSAGE_CALLS_MAX:
            size = len(self._waiting[0].encoded)
            if parts and size > room:
                break
            call = self._waiting.popleft()
            if call.future.done():
                # Its caller went away.
                continue
            room -= size
            self._unanswered[call.call_id] = call
            self._unanswered_bytes += size
            parts += (delimited_head(_CALLS_FIELD, size), call.encoded)
        return b"".join(parts)

    async def _receive(self, stream: Stream) -> None:
        async for response in stream:
            self._backoff_s = _BACKOFF_S_MIN
            self._answered_at = self._loop.time()
            for answer in response.answers:
                self._settle(answer)
            if self._waiting:
                self._wake.set()
        raise BackendUnavailable(f"{self._name} CallStream: ended by the owner")

    def _settle(self, answer: pb.GroupAnswer) -> None:
        call = self._unanswered.pop(answer.call_id, None)
        if call is None:
            # Overdue, and given up.
            return
        self._unanswered_bytes -= len(call.encoded)
        if call.future.done():
            return
        if answer.WhichOneof("answer") != call.kind:
            error = BackendUnavailable(f"{self._name}: no answer to {call.kind}")
            call.future.set_exception(error)
            return
        try:
            call.future.set_result(call.read(answer))
        except (KeyError, ValueError) as error:
            call.future.set_exception(BackendUnavailable(f"{self._name}: {error!r}"))

    async def _watch(self) -> None:
        """Gives up calls that are overdue, and the stream where nothing was answered since."""
        while True:
            await asyncio.sleep(_LOOK_S)
            overdue_since = self._loop.time() - self._answer_timeout_s
            late = [one for one in self._unanswered.values() if one.since < overdue_since]
            if late and self._answered_at < late[0].since:
                raise BackendUnavailable(f"{self._name}: no answer in {self._answer_timeout_s} s")
            for call in late:
                del self._unanswered[call.call_id]
                self._unanswered_bytes -= len(call.encoded)
            while self._waiting and self._waiting[0].since < overdue_since:
                late.append(self._waiting.popleft())
            self._fail(late, BackendUnavailable(f"{self._name}: no answer in time"))
            if late:
                self._wake.set()

    def _fail_all(self, error: BackendUnavailable) -> None:
        lost = list(chain(self._unanswered.values(), self._waiting))
        self._unanswered.clear()
        self._waiting.clear()
        self._unanswered_bytes = 0
        self._fail(lost, error)

    def _fail(self, calls: list[_Call], error: BackendUnavailable) -> None:
        for call in calls:
            if not call.future.done():
                call.future.set_exception(error)
