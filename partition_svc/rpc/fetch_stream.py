"""One FetchStream: many fetches at a time, each answered when it can be.

Answers that are ready share messages, and take turns where they are large: a long poll's few bytes
do not wait behind megabytes of somebody else's. Batches are copied into a message when it is their
turn to leave. A caller that does not read its answers is not read from, and what was read for it
has a bound in bytes.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

from google.protobuf.message import DecodeError

from common.ports.partitions import FetchQuery, Partitions
from common.ports.unavailable import BackendUnavailable
from common.rpc.messages.fetch import Chunks, fetch_query_from_message
from common.rpc.messages.fetch_stream import PIECE_BYTES, encode_pieces, encode_stream_response
from common.rpc.status import MalformedRequest, undecodable
from partition_svc.rpc.fetch_budget import RoomOfFetch, SharedRoom
from protos.partition.v1 import partition_pb2 as pb

#: Pieces of one message, so that what is sent first is not late.
_PIECES_MAX: Final = 256
#: Answers that may wait to leave; while there are more, no calls are read.
_READY_MAX: Final = 256
#: Fetches that may be under way: more than a gateway has connections.
_FETCHING_MAX: Final = 20_000


class FetchStream:
    """Reads calls, fetches, and hands out encoded responses. One for each stream."""

    def __init__(self, partitions: Partitions, *, bytes_max: int) -> None:
        """`bytes_max` bounds what was read and has not left, save for one batch of each fetch."""
        self._partitions = partitions
        self._room = SharedRoom(bytes_max)
        self._fetching: dict[int, asyncio.Task[None]] = {}  # by fetch id
        self._ends_of_wait: dict[int, asyncio.Future[None]] = {}  # of those
        # What is left of answers, next in turn first.
        self._ready: dict[int, tuple[Iterator[Chunks], RoomOfFetch]] = {}
        self._changed = asyncio.Event()
        self._may_read = asyncio.Event()
        self._has_ended = False
        self._bug: BaseException | None = None
        #: Why the stream cannot go on, for its status; None where the caller ended it.
        self.failure: Exception | None = None

    def end(self, failure: Exception) -> None:
        """Takes no more calls; what is under way is still answered. The first reason counts."""
        self.failure = self.failure or failure
        self._has_ended = True
        self._changed.set()
        self._may_read.set()

    async def responses(
        self, requests: AsyncIterator[pb.FetchStreamRequest]
    ) -> AsyncIterator[bytes]:
        """All responses, until the requests end or `end` was called, and all is answered."""
        reading = asyncio.create_task(self._read(requests))
        try:
            while self._fetching or self._ready or not self._has_ended:
                if self._bug is not None:
                    raise self._bug
                if not self._ready:
                    self._changed.clear()
                    await self._changed.wait()
                    continue
                yield encode_stream_response(self._next_pieces())
                self._may_read.set()
            if self._bug is not None:
                raise self._bug
        finally:
            tasks = [reading, *self._fetching.values()]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _read(self, requests: AsyncIterator[pb.FetchStreamRequest]) -> None:
        try:
            async for request in requests:
                if self._has_ended:
                    return
                for call in request.calls:
                    self._take(call)
                    while self._is_full and not self._has_ended:
                        self._may_read.clear()
                        await self._may_read.wait()
                for fetch_id in request.ended_waits:
                    self._end_wait(fetch_id)
        except MalformedRequest as error:
            self.end(error)
        except DecodeError:
            self.end(undecodable())
        except Exception as error:  # noqa: BLE001 - a bug, which `responses` raises
            self._bug = error
        finally:
            self._has_ended = True
            self._changed.set()

    @property
    def _is_full(self) -> bool:
        return len(self._ready) > _READY_MAX or len(self._fetching) > _FETCHING_MAX

    def _take(self, call: pb.FetchCall) -> None:
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
        task.add_done_callback(lambda done: self._on_done(fetch_id, done))

    def _end_wait(self, fetch_id: int) -> None:
        """Has a fetch that waits for data be answered with what is there."""
        end_of_wait = self._ends_of_wait.get(fetch_id)
        if end_of_wait is not None and not end_of_wait.done():
            end_of_wait.set_result(None)

    def _drop(self, fetch_id: int) -> None:
        """Its answer is not wanted any more, if there is still something of it to come."""
        if fetch_id in self._ready:
            _, room = self._ready.pop(fetch_id)
            room.close()
        task = self._fetching.get(fetch_id)
        if task is not None:
            task.cancel()

    async def _fetch(self, fetch_id: int, query: FetchQuery) -> None:
        room = query.room = self._room.open()
        try:
            results = await self._partitions.fetch(query)
        except BaseException:
            room.close()
            raise
        self._ready[fetch_id] = encode_pieces(fetch_id, results), room

    def _on_done(self, fetch_id: int, task: asyncio.Task[None]) -> None:
        del self._fetching[fetch_id], self._ends_of_wait[fetch_id]
        self._changed.set()
        self._may_read.set()
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, BackendUnavailable):
            self.end(error)
        elif error is not None:
            self._bug = error
            self._has_ended = True

    def _next_pieces(self) -> list[Chunks]:
        """One piece of each answer whose turn it is, as many as a message has room for."""
        pieces: list[Chunks] = []
        left = PIECE_BYTES
        while self._ready and left > 0 and len(pieces) < _PIECES_MAX:
            fetch_id = next(iter(self._ready))
            answer, room = self._ready.pop(fetch_id)
            piece = next(answer, None)
            if piece is None:
                room.close()
                continue
            pieces.append(piece)
            size = sum(map(len, piece))
            left -= size
            room.give(size)
            self._ready[fetch_id] = answer, room
        return pieces
