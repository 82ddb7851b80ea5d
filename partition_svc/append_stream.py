"""One AppendStream: appends in the order of arrival, results as they come, everything batched."""

from asyncio import CancelledError, Future
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from time import time
from typing import Final

from common.ports.partitions import ACKS_NONE, Append, AppendResult, Partitions
from common.ports.unavailable import BackendUnavailable
from partition_svc.bounded_stream import BoundedStream
from partition_svc.messages import acks_from_message, append_from_message, append_response
from protos.partition.v1 import partition_pb2 as pb

#: Results of one message.
_RESULTS_MAX: Final = 256
#: Results that wait to be sent count too: a caller that does not read is not read from either.
_RESULT_BYTES: Final = 100

_Answer = Future[list[AppendResult]]


class AppendStream(BoundedStream[pb.AppendRequest, pb.AppendResponse]):
    def __init__(self, partitions: Partitions, *, bytes_in_flight_max: int) -> None:
        super().__init__(bytes_in_flight_max=bytes_in_flight_max)
        self._partitions = partitions
        self._results: list[tuple[int, AppendResult]] = []

    def _take(self, request: pb.AppendRequest) -> None:
        """One call for each run of the same acks."""
        now_ms = int(time() * 1000)
        # All translated before any is started: a malformed message takes no effect.
        items = [
            (acks_from_message(one), one.append_id, append_from_message(one, now_ms))
            for one in request.appends
        ]
        for acks, run in groupby(items, key=itemgetter(0)):
            self._start(acks, list(run))

    @property
    def _is_answered(self) -> bool:
        return bool(self._results)

    def _next_response(self) -> tuple[pb.AppendResponse, int]:
        now, self._results = self._results[:_RESULTS_MAX], self._results[_RESULTS_MAX:]
        return append_response(now), len(now) * _RESULT_BYTES

    def _start(self, acks: int, run: list[tuple[int, int, Append]]) -> None:
        append_ids = [append_id for _, append_id, _ in run]
        appends = [append for _, _, append in run]
        size = sum(len(append.batch) for append in appends)
        # Counted when it is under way: one that raises will never be answered.
        answer = self._partitions.append(appends, acks=acks)
        self._began(size)
        answer.add_done_callback(lambda done: self._on_done(done, append_ids, acks, size))

    def _on_done(self, answer: _Answer, append_ids: list[int], acks: int, size: int) -> None:
        self._release(size)
        try:
            wanted = list(_wanted(append_ids, answer.result(), acks))
        except BackendUnavailable as error:
            self.end(error)
        except (Exception, CancelledError) as error:  # noqa: BLE001 - a bug, told at the end
            # Its caller would wait for ever on a stream that stays.
            self.fail(error)
        else:
            self._bytes_in_flight += len(wanted) * _RESULT_BYTES
            self._results += wanted
        finally:
            self._ended()


def _wanted(
    append_ids: list[int], results: list[AppendResult], acks: int
) -> Iterator[tuple[int, AppendResult]]:
    """acks=0 asks for nothing but refusals."""
    for append_id, result in zip(append_ids, results, strict=True):
        if acks != ACKS_NONE or result.refusal is not None:
            yield append_id, result
