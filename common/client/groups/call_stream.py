"""Group calls to one partition service over one long-lived stream (`batching_stream.py`).

The owner starts calls in the order in which they were submitted. Replies arrive in any order and
carry the id of their call. When the stream breaks, the outcome of all calls on it is unknown; calls
that were not sent fail with `CallNotSent`.
"""

import asyncio
import logging
from asyncio import Future
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import grpc.aio

from common.client.batching_stream import BatchingStream
from common.ports.group_request import GroupRequest, ReplyT
from common.ports.unavailable import BackendUnavailable, CallNotSent
from common.rpc.channels import CALL_TIMEOUT_S
from common.rpc.member_channel import Channel
from common.rpc.messages.group_calls import GroupCallFormat, call_format
from common.rpc.wire_format import delimited_head
from protos.coordinator.v1 import coordinator_pb2 as pb

#: Messages go out as bytes: calls are encoded one by one, when they are submitted.
Stream = grpc.aio.StreamStreamCall[bytes, pb.GroupAnswers]

_METHOD: Final = "/coordinator.v1.CoordinatorService/CallStream"
_CALLS_FIELD: Final = pb.GroupCalls.CALLS_FIELD_NUMBER

#: Limits of one message; a single call may be larger.
_MESSAGE_BYTES_MAX: Final = 1 << 20
_MESSAGE_CALLS_MAX: Final = 512

#: Calls sent without a reply, in bytes; further ones wait here.
_IN_FLIGHT_BYTES_MAX: Final = 8 << 20


class _Call(NamedTuple):
    call_id: int
    encoded: bytes
    format: GroupCallFormat
    future: "Future[Any]"
    since: float  # loop time at which it was submitted


def open_call_stream(channel: Channel) -> Stream:
    """Opens a CallStream that sends bytes: the stub would copy each call into the message."""
    stream: Any = channel.stream_stream(_METHOD, response_deserializer=pb.GroupAnswers.FromString)
    opened: Stream = stream()
    return opened


class CallStreamClient:
    """Opens its stream at the first call. Implements `StreamHandler`."""

    def __init__(
        self,
        name: str,
        open_stream: Callable[[], Stream],
        *,
        reply_timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        """`name` is the owner's, for errors. A call without a reply in time fails."""
        self._name = name
        # Calls are retried, so that losses may be frequent.
        self._stream = BatchingStream(
            name, "CallStream", open_stream, self, lost_level=logging.INFO
        )
        self._reply_timeout_s = reply_timeout_s
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Call] = deque()
        self._in_flight: dict[int, _Call] = {}  # by id, oldest first
        self._in_flight_bytes = 0
        self._replied_at = 0.0
        self._next_id = 0

    def submit(self, request: GroupRequest[ReplyT]) -> "Future[ReplyT]":
        """Returns the future reply, which may fail with `BackendUnavailable`.

        A caller may cancel it: a call that has been sent is executed nevertheless.

        Raises:
            ValueError: a number of the request is larger than its field.
        """
        form = call_format(request)
        assert form.stream_field is not None
        self._next_id = call_id = self._next_id + 1
        call = pb.GroupCall(call_id=call_id)
        message = getattr(call, form.stream_field)
        message.SetInParent()
        form.write_request(message, request)
        future: Future[ReplyT] = self._loop.create_future()
        encoded = call.SerializeToString()
        self._queue.append(_Call(call_id, encoded, form, future, self._loop.time()))
        self._stream.wake()
        return future

    def abandon(self, error: BackendUnavailable) -> None:
        """See `BatchingStream.abandon`."""
        self._stream.abandon(error)

    async def close(self) -> None:
        """Ends the stream. Calls without a reply fail."""
        await self._stream.close()

    @property
    def has_queued(self) -> bool:
        return bool(self._queue)

    def next_message(self) -> bytes | None:
        """Takes as many calls from the queue as one message may hold. They are in flight then."""
        if self._in_flight_bytes >= _IN_FLIGHT_BYTES_MAX:
            return None
        parts: list[bytes] = []
        room = _MESSAGE_BYTES_MAX
        while self._queue and len(parts) < 2 * _MESSAGE_CALLS_MAX:
            size = len(self._queue[0].encoded)
            if parts and size > room:
                break
            call = self._queue.popleft()
            if call.future.done():
                # The caller has cancelled it.
                continue
            room -= size
            self._in_flight[call.call_id] = call
            self._in_flight_bytes += size
            parts += (delimited_head(_CALLS_FIELD, size), call.encoded)
        return b"".join(parts) if parts else None

    def on_response(self, response: pb.GroupAnswers) -> None:
        self._replied_at = self._loop.time()
        for answer in response.answers:
            self._complete(answer)

    def check_timeouts(self) -> None:
        """Fails overdue calls. Raises if the owner has sent no reply since they were queued."""
        overdue_since = self._loop.time() - self._reply_timeout_s
        late = [call for call in self._in_flight.values() if call.since < overdue_since]
        if late and self._replied_at < late[0].since:
            raise BackendUnavailable(f"{self._name}: no reply in {self._reply_timeout_s} s")
        for call in late:
            del self._in_flight[call.call_id]
            self._in_flight_bytes -= len(call.encoded)
        unsent: list[_Call] = []
        while self._queue and self._queue[0].since < overdue_since:
            unsent.append(self._queue.popleft())
        _fail(late, BackendUnavailable(f"{self._name}: no reply in time"))
        _fail(unsent, CallNotSent(f"{self._name}: could not be sent in time"))
        if late or unsent:
            self._stream.wake()

    def on_lost(self, error: BackendUnavailable) -> None:
        in_doubt, unsent = list(self._in_flight.values()), list(self._queue)
        self._in_flight.clear()
        self._queue.clear()
        self._in_flight_bytes = 0
        self._replied_at = 0.0
        _fail(in_doubt, error)
        _fail(unsent, CallNotSent(str(error)))

    def _complete(self, answer: pb.GroupAnswer) -> None:
        call = self._in_flight.pop(answer.call_id, None)
        if call is None:
            # It was overdue and has failed.
            return
        self._in_flight_bytes -= len(call.encoded)
        if call.future.done():
            return
        field = call.format.stream_field
        if field is None or answer.WhichOneof("answer") != field:
            error = BackendUnavailable(f"{self._name}: no reply to {field}")
            call.future.set_exception(error)
            return
        try:
            call.future.set_result(call.format.read_reply(getattr(answer, field)))
        except (KeyError, ValueError) as error:
            call.future.set_exception(BackendUnavailable(f"{self._name}: {error!r}"))


def _fail(calls: list[_Call], error: BackendUnavailable) -> None:
    for call in calls:
        if not call.future.done():
            call.future.set_exception(error)
