"""Two-way call to the leader, which ends when that instance is not the leader any more.

A process that hangs keeps its connections open and sends nothing. So the call repeats the health
check of its instance beside its own messages.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeAlias

import grpc.aio

#: Delay between the end of one health check and the next.
_CHECK_EVERY_S: Final = 2.0

#: Finds the leader and calls it.
Begin: TypeAlias = Callable[[], Coroutine[Any, Any, tuple[grpc.aio.Channel, Any]]]


class LeaderStream:
    """Implements the part of `grpc.aio.StreamStreamCall` that a watch needs.

    One task may read while another writes.
    """

    def __init__(
        self,
        begin: Begin,
        is_leader: Callable[[grpc.aio.Channel], Awaitable[bool]],
        on_lost: Callable[[grpc.aio.Channel, object], None],
    ) -> None:
        self._begin = begin
        self._is_leader = is_leader
        self._on_lost = on_lost
        self._starting: asyncio.Task[tuple[grpc.aio.Channel, Any]] | None = None
        self._checking: asyncio.Task[None] | None = None

    async def read(self) -> Any:
        """Returns the next message, or `grpc.aio.EOF`.

        Raises the errors of gRPC, and `BackendUnavailable` where there is no leader.
        """
        leader, call = await self._started()
        try:
            message = await call.read()
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            self._on_lost(leader, error)
            raise
        if message is grpc.aio.EOF:
            self._on_lost(leader, "it ended the stream")
        return message

    async def write(self, message: Any) -> None:
        _, call = await self._started()
        await call.write(message)

    def cancel(self) -> bool:
        for task in (self._checking, self._starting):
            if task is not None:
                task.cancel()
        begun = self._starting
        if begun is None or not begun.done() or begun.cancelled() or begun.exception() is not None:
            return begun is not None
        _, call = begun.result()
        return bool(call.cancel())

    async def _started(self) -> tuple[grpc.aio.Channel, Any]:
        if self._starting is None:
            self._starting = asyncio.create_task(self._begin())
        leader, call = await asyncio.shield(self._starting)
        if self._checking is None:
            self._checking = asyncio.create_task(self._check(leader, call))
        return leader, call

    async def _check(self, leader: grpc.aio.Channel, call: Any) -> None:
        """Ends the call when its instance is not the leader any more."""
        while not call.done():
            await asyncio.sleep(_CHECK_EVERY_S)
            if not call.done() and not await self._is_leader(leader):
                self._on_lost(leader, "its health check does not say that it leads")
                call.cancel()
