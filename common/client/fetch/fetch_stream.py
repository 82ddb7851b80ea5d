"""Fetches from one partition service over one long-lived stream (`batching_stream.py`).

Responses arrive in any order, large ones in pieces. When the stream breaks, all its fetches fail,
and the next fetch opens another one.

A long poll that gets little data is mostly the cost of its call: a unary gRPC call takes more CPU
time than the rest of the poll, a message on a stream less than half of a call.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import grpc.aio
from google.protobuf.message import DecodeError

from common.client.batching_stream import BatchingStream
from common.ports.partitions import FetchQuery, FetchResult
from common.ports.unavailable import BackendUnavailable
from common.rpc.messages.fetch import fetch_query_to_message
from common.rpc.messages.fetch_stream import FetchPiece, decode_stream_response
from protos.partition.v1 import partition_pb2 as pb

#: Time allowed for a fetch in addition to the time that it waits for data.
FETCH_MARGIN_S: Final = 10.0

#: Sends messages and receives bytes.
Stream = grpc.aio.StreamStreamCall[pb.FetchStreamRequest, Any]


class _PendingFetch:
    """The pieces of one response; `future` is done when it is complete."""

    __slots__ = ("future", "results", "timer")

    def __init__(self, future: "asyncio.Future[list[FetchResult]]") -> None:
        self.future = future
        self.results: list[FetchResult] = []
        self.timer: asyncio.TimerHandle | None = None

    def add(self, piece: FetchPiece) -> None:
        if piece.continues and self.results and piece.results:
            self.results[-1].records += piece.results[0].records
            self.results += piece.results[1:]
        else:
            self.results += piece.results
        if piece.is_last and not self.future.done():
            self.future.set_result(self.results)

    def fail(self, error: BackendUnavailable) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class FetchStreamClient:
    """Opens its stream at the first fetch. Implements `StreamHandler`."""

    def __init__(self, name: str, open_stream: Callable[[], Stream]) -> None:
        """`name` is the owner's, for errors."""
        self._name = name
        self._stream = BatchingStream(
            name, "FetchStream", open_stream, self, lost_level=logging.DEBUG
        )
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, _PendingFetch] = {}  # by fetch id
        self._next_id = 0
        self._queued = pb.FetchStreamRequest()
        self._ends_waits = False

    @property
    def ends_waits(self) -> bool:
        """True if the owner of the open stream is known to support `FetchQuery.end_of_wait`."""
        return self._ends_waits

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        """See `Partitions.fetch`. Raises `MethodUnimplemented` if the owner has no FetchStream."""
        fetch_id = self._next_id
        self._next_id += 1
        fetch = self._pending[fetch_id] = _PendingFetch(self._loop.create_future())
        self._queued.calls.add(fetch_id=fetch_id, fetch=fetch_query_to_message(query))
        self._stream.wake()
        timeout_s = query.max_wait_ms / 1000 + FETCH_MARGIN_S
        fetch.timer = self._loop.call_later(timeout_s, self._expire, fetch)
        if query.end_of_wait is not None:
            query.end_of_wait.add_done_callback(lambda _: self._end_wait(fetch_id))
        try:
            return await fetch.future
        finally:
            fetch.timer.cancel()
            is_on_stream = self._pending.pop(fetch_id, None) is not None
            if is_on_stream and not _has_result(fetch):
                # A call without a query cancels the fetch at the owner.
                self._queued.calls.add(fetch_id=fetch_id)
                self._stream.wake()

    async def close(self) -> None:
        """Ends the stream. Fetches without a response fail."""
        await self._stream.close()

    @property
    def has_queued(self) -> bool:
        return bool(self._queued.calls or self._queued.ended_waits)

    def next_message(self) -> pb.FetchStreamRequest | None:
        if not self.has_queued:
            return None
        message, self._queued = self._queued, pb.FetchStreamRequest()
        return message

    def on_response(self, response: bytes) -> None:
        try:
            pieces = decode_stream_response(response)
        except DecodeError as error:
            raise BackendUnavailable(f"{self._name} FetchStream: malformed message") from error
        for piece in pieces:
            self._ends_waits = self._ends_waits or piece.ends_waits
            # The caller may have been cancelled.
            if (fetch := self._pending.get(piece.fetch_id)) is not None:
                fetch.add(piece)

    def check_timeouts(self) -> None:
        """Does nothing: each fetch has a timer of its own."""

    def on_lost(self, error: BackendUnavailable) -> None:
        pending, self._pending = self._pending, {}
        self._queued = pb.FetchStreamRequest()
        self._ends_waits = False
        for fetch in pending.values():
            fetch.fail(error)

    def _end_wait(self, fetch_id: int) -> None:
        """Asks the owner to respond with what it has; that needs no more than the margin."""
        fetch = self._pending.get(fetch_id)
        if fetch is None or fetch.future.done() or fetch.timer is None:
            return
        fetch.timer.cancel()
        fetch.timer = self._loop.call_later(FETCH_MARGIN_S, self._expire, fetch)
        self._queued.ended_waits.append(fetch_id)
        self._stream.wake()

    def _expire(self, fetch: _PendingFetch) -> None:
        fetch.fail(BackendUnavailable(f"{self._name} FetchStream: no response in time"))


def _has_result(fetch: _PendingFetch) -> bool:
    future = fetch.future
    return future.done() and not future.cancelled() and future.exception() is None
