"""One AppendStream: appends in the order of arrival, results as soon as they are known.

In place of a unary call for each Produce, all appends of a gateway share one stream and its
messages: 15 times the items per second (`bounded_stream`). tests/unit/partition_svc/rpc/
test_append_stream.py compares the results and the stored bytes with those of the unary call.
"""

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
#: Bytes in flight of a result that waits to be sent, for callers that do not read their responses.
_RESULT_BYTES: Final = 100

_Results = Future[list[AppendResult]]


class _Run:
    """Appends with the same acks and the same future."""

    __slots__ = ("acks", "size", "waiting")

    def __init__(self, acks: int) -> None:
        self.acks = acks
        self.size = 0
        #: The id of each append, and the position of its result in the future's list.
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
            return self._begin_after_thread(messages, now_ms)
        # All translated before any is started: a malformed message takes no effect.
        self._start_all(
            [
                (acks_from_message(append), append.append_id, append_from_message(append, now_ms))
                for append in messages
            ]
        )
        return None

    async def _begin_after_thread(self, messages: list[pb.Append], now_ms: int) -> None:
        appends = await appends_from_messages(messages, now_ms)
        self._start_all(
            [
                (acks_from_message(message), message.append_id, append)
                for message, append in zip(messages, appends, strict=True)
            ]
        )

    def _start_all(self, items: list[tuple[int, int, Append]]) -> None:
        for acks, group in groupby(items, key=itemgetter(0)):
            self._start(acks, group)

    @property
    def _has_responses(self) -> bool:
        return bool(self._results)

    def _next_response(self) -> tuple[pb.AppendResponse, int]:
        now, self._results = self._results[:_RESULTS_MAX], self._results[_RESULTS_MAX:]
        return append_response(now), len(now) * _RESULT_BYTES

    def _start(self, acks: int, group: Iterator[tuple[int, int, Append]]) -> None:
        """Starts the appends one by one, so that none waits until a large batch is examined."""
        runs: dict[_Results, _Run] = {}
        append_one = self._partitions.append_one
        for _, append_id, append in group:
            batch = append.batch
            # Counted once it is in flight: if `append_one` raises, no result comes.
            future, position = append_one(append.log, batch, append.leader_epoch, acks=acks)
            run = runs.get(future)
            if run is None:
                runs[future] = run = _Run(acks)
                self._call_started(0)
                future.add_done_callback(partial(self._on_done, run))
            size = len(batch)
            run.size += size
            self._bytes_in_flight += size
            run.waiting.append((append_id, position))

    def _on_done(self, run: _Run, future: _Results) -> None:
        self._release(run.size)
        try:
            results = list(_to_send(run, future.result()))
        except BackendUnavailable as error:
            self.end(error)
        except (Exception, CancelledError) as error:  # noqa: BLE001 - a bug, raised at the end
            # The caller would wait forever for the results on a stream that stays open.
            self.fail(error)
        else:
            self._bytes_in_flight += len(results) * _RESULT_BYTES
            self._results += results
        finally:
            self._call_finished()


def _to_send(run: _Run, results: list[AppendResult]) -> Iterator[tuple[int, AppendResult]]:
    """Yields the results that the caller expects: with acks=0 only refusals."""
    for append_id, position in run.waiting:
        result = results[position]
        if run.acks != ACKS_NONE or result.refusal is not None:
            yield append_id, result
