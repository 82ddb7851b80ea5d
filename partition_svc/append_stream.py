"""One AppendStream: appends in the order of arrival, results as they come, everything batched.

Both directions put whatever waits into the next message; there is no timer. Bytes in flight are
bounded: a caller that sends faster than the disk writes is not read from.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import groupby
from operator import itemgetter
from time import time
from typing import Final

from google.protobuf.message import DecodeError

from common.ports.partitions import ACKS_NONE, Append, AppendResult, Partitions
from common.ports.unavailable import BackendUnavailable
from partition_svc.messages import (
    Malformed,
    acks_from_message,
    append_from_message,
    append_response,
)
from protos.partition.v1 import partition_pb2 as pb

#: Results of one message.
_RESULTS_MAX: Final = 256
#: Results that wait to be sent count too: a caller that does not read is not read from either.
_RESULT_BYTES: Final = 100

_Answer = asyncio.Future[list[AppendResult]]


class AppendStream:
    """Reads requests, appends, and hands out responses. One for each stream."""

    def __init__(self, partitions: Partitions, *, bytes_in_flight_max: int) -> None:
        self._partitions = partitions
        self._bytes_in_flight_max = bytes_in_flight_max
        self._bytes_in_flight = 0
        self._calls_in_flight = 0
        self._results: list[tuple[int, AppendResult]] = []
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._has_ended = False
        #: Why the stream cannot go on, for its status; None where the caller ended it.
        self.failure: Exception | None = None

    def end(self, failure: Exception) -> None:
        """No more appends; what is in flight is still answered. The first reason counts."""
        self.failure = self.failure or failure
        self._has_ended = True
        self._changed.set()
        self._room.set()

    async def responses(
        self, requests: AsyncIterator[pb.AppendRequest]
    ) -> AsyncIterator[pb.AppendResponse]:
        """All responses, until the requests end or `end` was called, and all is answered."""
        reading = asyncio.create_task(self._read(requests))
        try:
            while self._calls_in_flight or self._results or not self._has_ended:
                if not self._results:
                    self._changed.clear()
                    await self._changed.wait()
                    continue
                batch, self._results = (
                    self._results[:_RESULTS_MAX],
                    self._results[_RESULTS_MAX:],
                )
                yield append_response(batch)
                self._release(len(batch) * _RESULT_BYTES)
            if reading.done():
                # Raises what went wrong there, if anything did: that is a bug.
                reading.result()
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _read(self, requests: AsyncIterator[pb.AppendRequest]) -> None:
        try:
            async for request in requests:
                if self._has_ended:
                    return
                self._append(request)
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

    def _append(self, request: pb.AppendRequest) -> None:
        """Starts all appends of a message: one call for each run of the same acks."""
        now_ms = int(time() * 1000)
        # All translated before any is started: a malformed message takes no effect.
        items = [
            (acks_from_message(one), one.append_id, append_from_message(one, now_ms))
            for one in request.appends
        ]
        for acks, run in groupby(items, key=itemgetter(0)):
            self._start(acks, list(run))

    def _start(self, acks: int, run: list[tuple[int, int, Append]]) -> None:
        append_ids = [append_id for _, append_id, _ in run]
        appends = [append for _, _, append in run]
        size = sum(len(append.batch) for append in appends)
        self._calls_in_flight += 1
        self._bytes_in_flight += size
        answer = self._partitions.append(appends, acks=acks)
        answer.add_done_callback(lambda done: self._on_done(done, append_ids, acks, size))

    def _on_done(self, answer: _Answer, append_ids: list[int], acks: int, size: int) -> None:
        self._calls_in_flight -= 1
        self._release(size)
        try:
            results = answer.result()
        except BackendUnavailable as error:
            self.end(error)
            return
        wanted = list(_wanted(append_ids, results, acks))
        self._bytes_in_flight += len(wanted) * _RESULT_BYTES
        self._results += wanted
        self._changed.set()

    def _release(self, size: int) -> None:
        self._bytes_in_flight -= size
        if self._bytes_in_flight <= self._bytes_in_flight_max:
            self._room.set()


def _wanted(
    append_ids: list[int], results: list[AppendResult], acks: int
) -> Iterator[tuple[int, AppendResult]]:
    """acks=0 asks for nothing but refusals."""
    for append_id, result in zip(append_ids, results, strict=True):
        if acks != ACKS_NONE or result.refusal is not None:
            yield append_id, result
