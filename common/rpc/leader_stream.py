"""A two-way call to whoever leads: it begins at the leader, and ends when that leads no more.

A service that hangs keeps its connections, and says nothing for as long as it hangs. So the call
asks from time to time, beside its own messages, whether its service leads still.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeAlias

import grpc.aio

#: Between the answer to one question and the next question.
_ASK_EVERY_S: Final = 2.0

#: Finds the leader and calls it.
Begin: TypeAlias = Callable[[], Coroutine[Any, Any, tuple[grpc.aio.Channel, Any]]]


class LeaderStream:
    """Implements as much of `grpc.aio.StreamStreamCall` as a watch needs. One reads, one writes."""

    def __init__(
        self,
        begin: Begin,
        leads: Callable[[grpc.aio.Channel], Awaitable[bool]],
        lost: Callable[[grpc.aio.Channel, object], None],
    ) -> None:
        self._begin = begin
        self._leads = leads
        self._lost = lost
        self._beginning: asyncio.Task[tuple[grpc.aio.Channel, Any]] | None = None
        self._asking: asyncio.Task[None] | None = None

    async def read(self) -> Any:
        """The next message, or `grpc.aio.EOF`.

        Raises what gRPC raises, and `BackendUnavailable` where nobody leads.
        """
        leader, call = await self._begun()
        try:
            message = await call.read()
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            self._lost(leader, error)
            raise
        if message is grpc.aio.EOF:
            self._lost(leader, "the stream was ended")
        return message

    async def write(self, message: Any) -> None:
        _, call = await self._begun()
        await call.write(message)

    def cancel(self) -> bool:
        for task in (self._asking, self._beginning):
            if task is not None:
                task.cancel()
        begun = self._beginning
        if begun is None or not begun.done() or begun.cancelled() or begun.exception() is not None:
            return begun is not None
        _, call = begun.result()
        return bool(call.cancel())

    async def _begun(self) -> tuple[grpc.aio.Channel, Any]:
        if self._beginning is None:
            self._beginning = asyncio.create_task(self._begin())
        leader, call = await asyncio.shield(self._beginning)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(leader, call))
        return leader, call

    async def _ask(self, leader: grpc.aio.Channel, call: Any) -> None:
        """Ends the call when its service leads no more."""
        while not call.done():
            await asyncio.sleep(_ASK_EVERY_S)
            if not call.done() and not await self._leads(leader):
                self._lost(leader, "it does not say that it leads")
                call.cancel()
