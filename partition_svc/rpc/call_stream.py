"""One CallStream: calls about groups in the order of arrival, answers as they come."""

import asyncio
import logging
from asyncio import Future
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from common.ports.classic_groups import HeartbeatTaken
from common.ports.consumer_groups import ConsumerHeartbeatTaken
from common.ports.coordinators import Coordinators
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommitResult
from common.ports.unavailable import BackendUnavailable
from common.rpc.messages.coordinator import (
    commit_from_message,
    commit_result_into,
    consumer_heartbeat_from_message,
    consumer_taken_into,
    heartbeat_from_message,
    heartbeat_taken_into,
)
from common.rpc.status import MalformedRequest
from partition_svc.rpc.bounded_stream import BoundedStream
from partition_svc.rpc.coordinator_checks import check_commit, check_texts
from protos.coordinator.v1 import coordinator_pb2 as pb

log = logging.getLogger(__name__)

#: Answers of one message.
_ANSWERS_MAX: Final = 512
#: What a call takes here beside its own bytes, until its answer is sent.
_CALL_BYTES: Final = 1024

_NOT_AVAILABLE: Final = GroupRefusal.COORDINATOR_NOT_AVAILABLE

#: Puts a call's result into its answer.
_Put = Callable[[pb.GroupAnswer, Any], None]


class _Call(NamedTuple):
    """One call, translated: not begun yet."""

    call_id: int
    begin: Callable[[Any], "Future[Any]"]
    request: Any
    put: _Put
    failed: Any  # its result where it goes wrong for no reason of its own
    size: int


class CallStream(BoundedStream[pb.GroupCalls, pb.GroupAnswers]):
    def __init__(self, coordinators: Coordinators, *, bytes_in_flight_max: int) -> None:
        super().__init__(bytes_in_flight_max=bytes_in_flight_max)
        self._to = coordinators
        self._done: list[tuple[_Call, Any]] = []

    def _begin_calls(self, request: pb.GroupCalls) -> None:
        # All translated before any is begun: a malformed message takes no effect.
        for call in [self._call(one) for one in request.calls]:
            self._begin(call)

    @property
    def _has_responses(self) -> bool:
        return bool(self._done)

    def _next_response(self) -> tuple[pb.GroupAnswers, int]:
        now, self._done = self._done[:_ANSWERS_MAX], self._done[_ANSWERS_MAX:]
        return _message(now), sum(call.size for call, _ in now)

    def _call(self, call: pb.GroupCall) -> _Call:
        """Raises `MalformedRequest`."""
        size, kind = call.ByteSize() + _CALL_BYTES, call.WhichOneof("call")
        begin: Any
        request: Any
        put: _Put
        failed: Any
        if kind == "commit_offsets":
            check_commit(call.commit_offsets)
            begin, request = self._to.commit_offsets, commit_from_message(call.commit_offsets)
            put, failed = commit_result_into, CommitResult(refusal=_NOT_AVAILABLE)
        elif kind == "heartbeat":
            check_texts(call.heartbeat)
            begin, request = self._to.heartbeat, heartbeat_from_message(call.heartbeat)
            put, failed = heartbeat_taken_into, HeartbeatTaken(_NOT_AVAILABLE)
        elif kind == "consumer_heartbeat":
            check_texts(call.consumer_heartbeat)
            begin = self._to.consumer_heartbeat
            request = consumer_heartbeat_from_message(call.consumer_heartbeat)
            put, failed = consumer_taken_into, ConsumerHeartbeatTaken(refusal=_NOT_AVAILABLE)
        else:
            raise MalformedRequest("a call of no kind that is known here")
        return _Call(call.call_id, begin, request, put, failed, size)

    def _begin(self, call: _Call) -> None:
        self._call_started(call.size)
        try:
            answer = call.begin(call.request)
        except Exception:
            log.exception("a call about the group %r failed", call.request.group_id)
            self._settle(call, call.failed)
            return
        answer.add_done_callback(lambda done: self._on_done(call, done))

    def _on_done(self, call: _Call, answer: "Future[Any]") -> None:
        try:
            result = answer.result()
        except BackendUnavailable as error:
            self._call_finished()
            self.end(error)
            return
        except (Exception, asyncio.CancelledError):
            log.exception("a call about the group %r failed", call.request.group_id)
            result = call.failed
        self._settle(call, result)

    def _settle(self, call: _Call, result: Any) -> None:
        self._done.append((call, result))
        self._call_finished()


def _message(done: list[tuple[_Call, Any]]) -> pb.GroupAnswers:
    message = pb.GroupAnswers()
    add = message.answers.add
    for call, result in done:
        answer = add()
        answer.call_id = call.call_id
        try:
            call.put(answer, result)
        except Exception:
            # The other calls of the message have answers that can be sent.
            log.exception("cannot encode an answer about the group %r", call.request.group_id)
            answer.Clear()
            answer.call_id = call.call_id
            call.put(answer, call.failed)
    return message
