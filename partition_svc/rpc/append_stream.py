"""One AppendStream: appends in the order of arrival, results as they come, everything batched."""

from asyncio import CancelledError, Future
from collections.abc import Awaitable, Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter
from time import time
from typing import Final

from common.ports.partitions import ACKS_NONE, Append, AppendResult, Partitions
from common.ports.unavailable import BackendUnavailable
from common.rpc.messages.append import (
    acks_from_message,
    append_from_message,
    append_response,
    appends_from_messages,
    needs_thread,
)
from partition_svc.rpc.bounded_stream import BoundedStream
from protos.partition.v1 import partition_pb2 as pb

#: Results of one message.
_RESULTS_MAX: Final = 256
#: Results that wait to be sent count too: a caller that does not read is not read from either.
_RESULT_BYTES: Final = 100

_Answer = Future[list[AppendResult]]


class _Call:
    """Appends of one run that are answered together."""

    __slots__ = ("acks", "size", "waiting")

    def __init__(self, acks: int) -> None:
        self.acks = acks
        self.size = 0
        #: The id of each append, and where its result is in the answer.
        self.waiting: list[tuple[int, int]] = []


class AppendStream(BoundedStream[pb.AppendRequest, pb.AppendResponse]):
    def __init__(self, partitions: Partitions, *, bytes_in_flight_max: int) -> None:
        super().__init__(bytes_in_flight_max=bytes_in_flight_max)
        self._partitions = partitions
        self._results: list[tuple[int, AppendResult]] = []

    def _begin_calls(self, request: pb.AppendRequest) -> Awaitable[None] | None:
        now_ms = int(time() * 1000)
        # A list keeps the messages in Python, so that each is unwrapped once.
        messages = list(request.appends)
        if needs_thread(messages):
            return self._take_long(messages, now_ms)
        # All translated before any is started: a malformed message takes no effect.
        self._start_all(
            [
                (acks_from_message(one), one.append_id, append_from_message(one, now_ms))
                for one in messages
            ]
        )
        return None

    async def _take_long(self, messages: list[pb.Append], now_ms: int) -> None:
        appends = await appends_from_messages(messages, now_ms)
        self._start_all(
            [
                (acks_from_message(one), one.append_id, append)
                for one, append in zip(messages, appends, strict=True)
            ]
        )

    def _start_all(self, items: list[tuple[int, int, Append]]) -> None:
        for acks, run in groupby(items, key=itemgetter(0)):
            self._start(acks, run)

    @property
    def _has_responses(self) -> bool:
        return bool(self._results)

    def _next_response(self) -> tuple[pb.AppendResponse, int]:
        now, self._results = self._results[:_RESULTS_MAX], self._results[_RESULTS_MAX:]
        return append_response(now), len(now) * _RESULT_BYTES

    def _start(self, acks: int, run: Iterator[tuple[int, int, Append]]) -> None:
        """Singly, so that no append waits for the batches of others that take long to examine."""
        calls: dict[_Answer, _Call] = {}
        append_one = self._partitions.append_one
        for _, append_id, append in run:
            batch = append.batch
            # Counted when it is under way: one that raises will never be answered.
            answer, position = append_one(append.log, batch, append.leader_epoch, acks=acks)
            call = calls.get(answer)
            if call is None:
                calls[answer] = call = _Call(acks)
                self._call_started(0)
                answer.add_done_callback(partial(self._on_done, call))
            size = len(batch)
            call.size += size
            self._bytes_in_flight += size
            call.waiting.append((append_id, position))

    def _on_done(self, call: _Call, answer: _Answer) -> None:
        self._release(call.size)
        try:
            wanted = list(_wanted(call, answer.result()))
        except BackendUnavailable as error:
            self.end(error)
        except (Exception, CancelledError) as error:  # noqa: BLE001 - a bug, told at the end
            # Its caller would wait for ever on a stream that stays.
            self.fail(error)
        else:
            self._bytes_in_flight += len(wanted) * _RESULT_BYTES
            self._results += wanted
        finally:
            self._call_finished()


def _wanted(call: _Call, results: list[AppendResult]) -> Iterator[tuple[int, AppendResult]]:
    """acks=0 asks for nothing but refusals."""
    for append_id, position in call.waiting:
        result = results[position]
        if call.acks != ACKS_NONE or result.refusal is not None:
            yield append_id, result
