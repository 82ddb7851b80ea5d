"""All appends of this gateway to one partition service: one stream, batched by what waits.

While a message is on its way new appends queue, and leave together in the next one. There is no
timer: an append that finds the stream idle leaves at once. A stream that breaks leaves the outcome
of everything unanswered unknown; the next append opens another.
"""

import asyncio
import itertools
from asyncio import Future
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

import grpc.aio

from common.ports.partitions import Append, AppendResult
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import unavailable_on_failure
from gateway_svc.backends.partition_messages import append_result_from_message, append_to_message
from protos.partition.v1 import partition_pb2 as pb
from protos.partition.v1.partition_pb2_grpc import PartitionServiceStub

#: Measured: 256 KB to 1 MB is where a gRPC message costs least for each byte.
_MESSAGE_BYTES_MAX: Final = 1 << 20
_MESSAGE_APPENDS_MAX: Final = 256

_Call = grpc.aio.StreamStreamCall[pb.AppendRequest, pb.AppendResponse]


class _Asked:
    """One call of `append`, answered when the last of its results is here."""

    __slots__ = ("future", "remaining", "results")

    def __init__(self, future: "Future[list[AppendResult]]", count: int) -> None:
        self.future = future
        self.results = [AppendResult() for _ in range(count)]
        self.remaining = count

    def settle(self, index: int, result: AppendResult) -> None:
        self.results[index] = result
        self.remaining -= 1
        if not self.remaining and not self.future.done():
            self.future.set_result(self.results)

    def fail(self, error: BackendUnavailable) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class AppendStream:
    """Belongs to one event loop. What may wait is bounded by the requests that clients may send."""

    def __init__(self, stub: PartitionServiceStub) -> None:
        self._stub = stub
        self._loop = asyncio.get_running_loop()
        self._append_ids = itertools.count(1)
        self._queue: deque[pb.Append] = deque()
        self._asked: dict[int, tuple[_Asked, int]] = {}
        self._work = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        """Queues at once, in the order of the calls."""
        future: Future[list[AppendResult]] = self._loop.create_future()
        if not appends:
            future.set_result([])
            return future
        asked = _Asked(future, len(appends))
        for index, append in enumerate(appends):
            append_id = next(self._append_ids)
            self._asked[append_id] = (asked, index)
            self._queue.append(append_to_message(append_id, append, acks))
        self._work.set()
        if self._running is None:
            self._running = self._loop.create_task(self._run())
        return future

    async def close(self) -> None:
        """Ends the stream; what is not answered yet fails."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        """One stream from its opening until it breaks."""
        reason = BackendUnavailable("partition AppendStream: closed")
        try:
            with unavailable_on_failure("partition AppendStream"):
                call: _Call = self._stub.AppendStream()
                await self._exchange(call)
        except BackendUnavailable as error:
            reason = error
        finally:
            self._running = None
            self._fail_all(reason)

    async def _exchange(self, call: _Call) -> None:
        sending = asyncio.create_task(self._send(call))
        try:
            while isinstance(response := await call.read(), pb.AppendResponse):
                for result in response.results:
                    asked, index = self._asked.pop(result.append_id)
                    asked.settle(index, append_result_from_message(result))
            # Ended by the service: its status says why.
            raise BackendUnavailable(f"partition AppendStream: {await call.details() or 'ended'}")
        finally:
            sending.cancel()
            call.cancel()
            await asyncio.wait([sending])

    async def _send(self, call: _Call) -> None:
        # A broken stream is seen, and told, by whoever reads from it.
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while True:
                await self._work.wait()
                self._work.clear()
                while self._queue:
                    await call.write(pb.AppendRequest(appends=self._next_appends()))

    def _next_appends(self) -> Iterator[pb.Append]:
        size = 0
        for _ in range(_MESSAGE_APPENDS_MAX):
            if not self._queue or size >= _MESSAGE_BYTES_MAX:
                return
            append = self._queue.popleft()
            size += append.ByteSize()
            yield append

    def _fail_all(self, reason: BackendUnavailable) -> None:
        asked, self._asked = self._asked, {}
        self._queue.clear()
        self._work.clear()
        for one, _ in asked.values():
            one.fail(reason)
