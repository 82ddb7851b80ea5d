"""Fetches from one partition service over one long-lived stream.

A call of gRPC costs more CPU time than all the rest of a long poll; a message on a stream costs
less than half. Whatever waits leaves together in the next message. Answers come in any order, large
ones in pieces. Where the stream breaks, everything on it fails, and the next fetch opens another.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from common.ports.partitions import FetchQuery, FetchResult
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import unavailable_on_failure
from common.rpc.messages.fetch import fetch_query_to_message
from common.rpc.messages.fetch_stream import FetchPiece, decode_stream_response
from protos.partition.v1 import partition_pb2 as pb

log = logging.getLogger(__name__)

#: What a fetch may take on top of the time that it waits for data.
FETCH_MARGIN_S: Final = 10.0

#: Sends messages and receives bytes.
Stream = grpc.aio.StreamStreamCall[pb.FetchStreamRequest, Any]


class NoStream(BackendUnavailable):
    """The owner is older than FetchStream."""


class _Answer:
    """What has come of an answer so far; `future` has it when it is whole."""

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


class FetchSender:
    """Opens a stream with the first fetch, and again whenever it was lost."""

    def __init__(self, name: str, open_stream: Callable[[], Stream]) -> None:
        """`name` is the owner's, for errors."""
        self._name = name
        self._open_stream = open_stream
        self._connection: _Connection | None = None

    @property
    def ends_waits(self) -> bool:
        """Whether the owner is known to end the wait of a fetch when it is told to."""
        connection = self._connection
        return connection is not None and connection.ends_waits and not connection.has_ended

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        """As `Partitions.fetch`. Raises `NoStream` where the owner has no such method."""
        connection = self._connection
        if connection is None or connection.has_ended:
            connection = self._connection = _Connection(self._name, self._open_stream())
        return await connection.fetch(query)

    async def close(self) -> None:
        """Ends the stream. What has no answer yet fails."""
        if self._connection is not None:
            await self._connection.close()


class _Connection:
    """One stream, from its opening to its end."""

    def __init__(self, name: str, stream: Stream) -> None:
        self.has_ended = False
        self.ends_waits = False
        self._name = name
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._answers: dict[int, _Answer] = {}  # by fetch id
        self._next_id = 0
        self._waiting = pb.FetchStreamRequest()
        self._wake = asyncio.Event()
        self._running = self._loop.create_task(self._run())

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        fetch_id = self._next_id
        self._next_id += 1
        answer = self._answers[fetch_id] = _Answer(self._loop.create_future())
        self._waiting.calls.add(fetch_id=fetch_id, fetch=fetch_query_to_message(query))
        self._wake.set()
        within_s = query.max_wait_ms / 1000 + FETCH_MARGIN_S
        answer.timer = self._loop.call_later(within_s, self._expire, answer)
        if query.end_of_wait is not None:
            query.end_of_wait.add_done_callback(lambda _: self._end_wait(fetch_id))
        try:
            return await answer.future
        finally:
            answer.timer.cancel()
            del self._answers[fetch_id]
            if not _has_come(answer):
                self._waiting.calls.add(fetch_id=fetch_id)
                self._wake.set()

    async def close(self) -> None:
        self._running.cancel()
        await asyncio.wait([self._running])

    def _end_wait(self, fetch_id: int) -> None:
        """Asks for what is there, which is not to take longer than a fetch without a wait."""
        answer = self._answers.get(fetch_id)
        if answer is None or answer.future.done() or answer.timer is None:
            return
        answer.timer.cancel()
        answer.timer = self._loop.call_later(FETCH_MARGIN_S, self._expire, answer)
        self._waiting.ended_waits.append(fetch_id)
        self._wake.set()

    def _expire(self, answer: _Answer) -> None:
        if not answer.future.done():
            error = BackendUnavailable(f"{self._name} FetchStream: no answer in time")
            answer.future.set_exception(error)

    async def _run(self) -> None:
        error = BackendUnavailable(f"{self._name}: the gateway is stopping")
        try:
            with unavailable_on_failure(f"{self._name} FetchStream"):
                await self._send_and_receive()
        except BackendUnavailable as lost:
            error = NoStream(str(lost)) if _is_unimplemented(lost) else lost
        except Exception as bug:
            log.exception("fetch stream of %s failed", self._name)
            error = BackendUnavailable(f"{self._name}: {bug!r}")
        finally:
            self.has_ended = True
            self._stream.cancel()
            for answer in self._answers.values():
                if not answer.future.done():
                    answer.future.set_exception(error)

    async def _send_and_receive(self) -> None:
        """Until the stream ends, which raises."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send())
                await self._receive()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _send(self) -> None:
        while True:
            while self._waiting.calls or self._waiting.ended_waits:
                request, self._waiting = self._waiting, pb.FetchStreamRequest()
                try:
                    await self._stream.write(request)
                except asyncio.InvalidStateError:
                    return  # it ended a moment ago; `_receive` is told why
            self._wake.clear()
            await self._wake.wait()

    async def _receive(self) -> None:
        async for message in self._stream:
            try:
                pieces = decode_stream_response(message)
            except DecodeError as error:
                raise BackendUnavailable(f"{self._name} FetchStream: no message") from error
            for piece in pieces:
                self.ends_waits = self.ends_waits or piece.ends_waits
                # Nobody may want it any more.
                if (answer := self._answers.get(piece.fetch_id)) is not None:
                    answer.add(piece)
        raise BackendUnavailable(f"{self._name} FetchStream: ended by the owner")


def _has_come(answer: _Answer) -> bool:
    future = answer.future
    return future.done() and not future.cancelled() and future.exception() is None


def _is_unimplemented(error: BackendUnavailable) -> bool:
    cause = error.__cause__
    return isinstance(cause, grpc.aio.AioRpcError) and cause.code() is grpc.StatusCode.UNIMPLEMENTED
