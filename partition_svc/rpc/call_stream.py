"""The server side of CallStream: begins calls in the order of arrival, replies when ready."""

import asyncio
import logging
from asyncio import Future
from typing import Any, Final, NamedTuple

from common.ports.coordinators import Coordinators
from common.ports.group_errors import GroupRefusal
from common.ports.group_request import GroupRequest
from common.ports.unavailable import BackendUnavailable
from common.rpc.messages.group_calls import STREAMED_CALLS, GroupCallFormat
from common.rpc.status import MalformedRequest
from partition_svc.rpc.bounded_stream import BoundedStream
from partition_svc.rpc.coordinator_checks import check_request
from protos.coordinator.v1 import coordinator_pb2 as pb

log = logging.getLogger(__name__)

#: Replies in one message.
_ANSWERS_MAX: Final = 512
#: Memory that a call takes beside its own bytes until its reply is sent.
_CALL_BYTES: Final = 1024

_NOT_AVAILABLE: Final = GroupRefusal.COORDINATOR_NOT_AVAILABLE


class _Call(NamedTuple):
    """A decoded call that has not begun."""

    call_id: int
    field: str
    format: GroupCallFormat
    request: GroupRequest[Any]
    size: int

    def write(self, answer: pb.GroupAnswer, reply: Any) -> None:
        answer.call_id = self.call_id
        message = getattr(answer, self.field)
        message.SetInParent()
        self.format.write_reply(message, reply)

    def not_available(self) -> Any:
        """Returns the reply to a call that failed for no reason of its own."""
        return self.request.refused(_NOT_AVAILABLE)


class CallStream(BoundedStream[pb.GroupCalls, pb.GroupAnswers]):
    def __init__(self, coordinators: Coordinators, *, bytes_in_flight_max: int) -> None:
        super().__init__(bytes_in_flight_max=bytes_in_flight_max)
        self._to = coordinators
        self._done: list[tuple[_Call, Any]] = []

    def _begin_calls(self, request: pb.GroupCalls) -> None:
        # All calls are decoded before the first begins: a malformed message has no effect.
        for call in [_decoded(call) for call in request.calls]:
            self._begin(call)

    @property
    def _has_responses(self) -> bool:
        return bool(self._done)

    def _next_response(self) -> tuple[pb.GroupAnswers, int]:
        now, self._done = self._done[:_ANSWERS_MAX], self._done[_ANSWERS_MAX:]
        return _message(now), sum(call.size for call, _ in now)

    def _begin(self, call: _Call) -> None:
        self._call_started(call.size)
        try:
            reply = self._to.call(call.request)
        except Exception:
            log.exception("failed to execute a call about group %r", call.request.group_id)
            self._settle(call, call.not_available())
            return
        reply.add_done_callback(lambda done: self._on_done(call, done))

    def _on_done(self, call: _Call, future: "Future[Any]") -> None:
        try:
            result = future.result()
        except BackendUnavailable as error:
            self._call_finished()
            self.end(error)
            return
        except (Exception, asyncio.CancelledError):
            log.exception("failed to execute a call about group %r", call.request.group_id)
            result = call.not_available()
        self._settle(call, result)

    def _settle(self, call: _Call, result: Any) -> None:
        self._done.append((call, result))
        self._call_finished()


def _decoded(call: pb.GroupCall) -> _Call:
    """Raises `MalformedRequest`."""
    field = call.WhichOneof("call")
    if field is None:
        raise MalformedRequest("a call of no kind that is known here")
    form = STREAMED_CALLS[field]
    message = getattr(call, field)
    check_request(message)
    (request,) = form.read_requests(message)
    return _Call(call.call_id, field, form, request, call.ByteSize() + _CALL_BYTES)


def _message(done: list[tuple[_Call, Any]]) -> pb.GroupAnswers:
    message = pb.GroupAnswers()
    add = message.answers.add
    for call, reply in done:
        answer = add()
        try:
            call.write(answer, reply)
        except Exception:
            # The other calls of the message have replies that can be sent.
            log.exception("failed to encode a reply about group %r", call.request.group_id)
            answer.Clear()
            call.write(answer, call.not_available())
    return message
