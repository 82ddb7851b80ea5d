"""One CallStream: calls about groups in the order of arrival, answers as they come.

Both directions put whatever waits into the next message; there is no timer. What is in flight is
bounded: a caller that sends faster than the disk writes, or does not read its answers, is not read
from.
"""

import asyncio
import logging
from asyncio import Future
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError

from common.ports.classic_groups import HeartbeatTaken
from common.ports.consumer_groups import ConsumerHeartbeatTaken
from common.ports.coordinators import Coordinators
from common.ports.group_offsets import CommitResult
from common.ports.group_refusal import GroupRefusal
from common.ports.unavailable import BackendUnavailable
from common.rpc.group_messages import (
    commit_from_message,
    commit_result_into,
    consumer_heartbeat_from_message,
    consumer_taken_into,
    heartbeat_from_message,
    heartbeat_taken_into,
)
from partition_svc.coordinator_checks import Malformed, check_commit, check_texts
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


class CallStream:
    """Reads calls, begins them, and hands out answers. One for each stream."""

    def __init__(self, coordinators: Coordinators, *, bytes_in_flight_max: int) -> None:
        self._to = coordinators
        self._bytes_in_flight_max = bytes_in_flight_max
        self._bytes_in_flight = 0
        self._calls_in_flight = 0
        self._done: list[tuple[_Call, Any]] = []
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._has_ended = False
        #: Why the stream cannot go on, for its status; None where the caller ended it.
        self.failure: Exception | None = None

    def end(self, failure: Exception) -> None:
        """No more calls; what is in flight is still answered. The first reason counts."""
        self.failure = self.failure or failure
        self._has_ended = True
        self._changed.set()
        self._room.set()

    async def answers(
        self, requests: AsyncIterator[pb.GroupCalls]
    ) -> AsyncIterator[pb.GroupAnswers]:
        """All answers, until the requests end or `end` was called, and all is answered."""
        reading = asyncio.create_task(self._read(requests))
        try:
            while self._calls_in_flight or self._done or not self._has_ended:
                if not self._done:
                    self._changed.clear()
                    await self._changed.wait()
                    continue
                now, self._done = self._done[:_ANSWERS_MAX], self._done[_ANSWERS_MAX:]
                yield _message(now)
                self._release(now)
            if reading.done():
                # Raises what went wrong there, if anything did: that is a bug.
                reading.result()
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _read(self, requests: AsyncIterator[pb.GroupCalls]) -> None:
        try:
            async for request in requests:
                if self._has_ended:
                    return
                # All translated before any is begun: a malformed message takes no effect.
                for call in [self._call(one) for one in request.calls]:
                    self._begin(call)
                while self._bytes_in_flight > self._bytes_in_flight_max and not self._has_ended:
                    self._room.clear()
                    await self._room.wait()
        except Malformed as error:
            self.end(error)
        except DecodeError:
            self.end(Malformed("a request is not of its message type"))
        finally:
            self._has_ended = True
            self._changed.set()

    def _call(self, call: pb.GroupCall) -> _Call:
        """Raises `Malformed`."""
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
            raise Malformed("a call of no kind that is known here")
        return _Call(call.call_id, begin, request, put, failed, size)

    def _begin(self, call: _Call) -> None:
        self._calls_in_flight += 1
        self._bytes_in_flight += call.size
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
            self._calls_in_flight -= 1
            self.end(error)
            return
        except (Exception, asyncio.CancelledError):
            log.exception("a call about the group %r failed", call.request.group_id)
            result = call.failed
        self._settle(call, result)

    def _settle(self, call: _Call, result: Any) -> None:
        self._calls_in_flight -= 1
        self._done.append((call, result))
        self._changed.set()

    def _release(self, answered: list[tuple[_Call, Any]]) -> None:
        self._bytes_in_flight -= sum(call.size for call, _ in answered)
        if self._bytes_in_flight <= self._bytes_in_flight_max:
            self._room.set()


def _message(done: list[tuple[_Call, Any]]) -> pb.GroupAnswers:
    message = pb.GroupAnswers()
    add = message.answers.add
    for call, result in done:
        answer = add()
        answer.call_id = call.call_id
        call.put(answer, result)
    return message
