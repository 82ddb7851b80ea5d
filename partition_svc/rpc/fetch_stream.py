"""One FetchStream: many fetches at a time, each with its response when the data is there.

Responses that are ready share messages, and large ones leave in pieces by turns, so that the few
bytes of one long poll do not wait behind megabytes of another. Batches are copied into a message
only when they leave. The stream bounds the fetches in flight, the responses that are ready, and
the bytes that were read and have not left.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Final

from common.ports.partitions import FetchQuery, Partitions
from common.ports.unavailable import BackendUnavailable
from common.rpc.messages.fetch import Chunks, fetch_query_from_message
from common.rpc.messages.fetch_stream import PIECE_BYTES, encode_pieces, encode_stream_response
from common.rpc.status import MalformedRequest
from partition_svc.rpc.bounded_stream import BoundedStream
from partition_svc.rpc.fetch_budget import FetchBudgetShare, SharedFetchBudget
from protos.partition.v1 import partition_pb2 as pb

#: Pieces of one message, so that the first of them is not late.
_PIECES_MAX: Final = 256
#: Responses that wait to leave; while there are more, no calls are read.
_READY_MAX: Final = 256
#: Fetches in flight: more than a gateway has connections.
_FETCHING_MAX: Final = 20_000


class FetchStream(BoundedStream[pb.FetchStreamRequest, bytes]):
    """Yields encoded responses."""

    def __init__(self, partitions: Partitions, *, bytes_max: int) -> None:
        """`bytes_max` bounds the bytes read and not sent; each fetch may exceed it by one batch."""
        # Queries wait for room by themselves, so their bytes do not count in the frame.
        super().__init__(bytes_in_flight_max=0)
        self._partitions = partitions
        self._budget = SharedFetchBudget(bytes_max)
        self._fetching: dict[int, asyncio.Task[None]] = {}  # by fetch id
        self._ends_of_wait: dict[int, asyncio.Future[None]] = {}  # of those
        # Pieces that have not left, by fetch id; the response that sends next comes first.
        self._ready: dict[int, tuple[Iterator[Chunks], FetchBudgetShare]] = {}

    def fail(self, bug: BaseException) -> None:
        """Cancels the fetches in flight, since long polls may last minutes."""
        super().fail(bug)
        for fetch_id in (*self._ready, *self._fetching):
            self._drop(fetch_id)

    async def _begin_calls(self, request: pb.FetchStreamRequest) -> None:
        for call in request.calls:
            self._begin_call(call)
            await self._wait_until_not_full()
        for fetch_id in request.ended_waits:
            self._end_wait(fetch_id)

    @property
    def _is_full(self) -> bool:
        return len(self._ready) > _READY_MAX or len(self._fetching) > _FETCHING_MAX

    @property
    def _has_responses(self) -> bool:
        return bool(self._ready)

    def _next_response(self) -> tuple[bytes, int]:
        return encode_stream_response(self._next_pieces()), 0

    def _tasks(self) -> Iterable[asyncio.Task[None]]:
        return self._fetching.values()

    def _begin_call(self, call: pb.FetchCall) -> None:
        fetch_id = call.fetch_id
        if not call.HasField("fetch"):
            self._drop(fetch_id)
            return
        if fetch_id in self._fetching or fetch_id in self._ready:
            raise MalformedRequest(f"fetch_id {fetch_id} is under way already")
        if call.fetch.decode_records:
            raise MalformedRequest("records are decoded by Fetch, not on a stream")
        query = fetch_query_from_message(call.fetch)
        end_of_wait = asyncio.get_running_loop().create_future()
        query.end_of_wait = self._ends_of_wait[fetch_id] = end_of_wait
        task = asyncio.create_task(self._fetch(fetch_id, query))
        self._fetching[fetch_id] = task
        self._call_started(0)
        task.add_done_callback(lambda done: self._on_done(fetch_id, done))

    def _end_wait(self, fetch_id: int) -> None:
        """Ends the long poll of a fetch: its response has the data that is there."""
        end_of_wait = self._ends_of_wait.get(fetch_id)
        if end_of_wait is not None and not end_of_wait.done():
            end_of_wait.set_result(None)

    def _drop(self, fetch_id: int) -> None:
        """Cancels a fetch, or discards the rest of its response; does nothing if it has left."""
        if fetch_id in self._ready:
            _, budget = self._ready.pop(fetch_id)
            budget.close()
        task = self._fetching.get(fetch_id)
        if task is not None:
            task.cancel()

    async def _fetch(self, fetch_id: int, query: FetchQuery) -> None:
        budget = query.budget = self._budget.open()
        try:
            results = await self._partitions.fetch(query)
        except BaseException:
            budget.close()
            raise
        self._ready[fetch_id] = encode_pieces(fetch_id, results), budget

    def _on_done(self, fetch_id: int, task: asyncio.Task[None]) -> None:
        del self._fetching[fetch_id], self._ends_of_wait[fetch_id]
        self._call_finished()
        self._release(0)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, BackendUnavailable):
            self.end(error)
        elif error is not None:
            self.fail(error)

    def _next_pieces(self) -> list[Chunks]:
        """Returns one piece of each ready response in turn, as many as one message has room for."""
        pieces: list[Chunks] = []
        left = PIECE_BYTES
        while self._ready and left > 0 and len(pieces) < _PIECES_MAX:
            fetch_id = next(iter(self._ready))
            response, budget = self._ready.pop(fetch_id)
            piece = next(response, None)
            if piece is None:
                budget.close()
                continue
            pieces.append(piece)
            size = sum(map(len, piece))
            left -= size
            budget.release(size)
            self._ready[fetch_id] = response, budget
        return pieces
