"""One request at a time, whose result all concurrent callers share."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Calls `request` on demand; callers during a call in flight share its result."""

    def __init__(self, request: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._request = request
        self._in_flight: asyncio.Task[T] | None = None

    async def run(self) -> T:
        """Returns the result of the call in flight, or of a new one; raises what it raises.

        A cancelled caller does not end the call for the others.
        """
        return await asyncio.shield(self._start())

    def prefetch(self) -> None:
        """Starts a call unless one is in flight. Its failure is left to the next `run`."""
        self._start()

    async def close(self) -> None:
        """Cancels the call in flight."""
        if self._in_flight is not None:
            self._in_flight.cancel()
            await asyncio.wait([self._in_flight])

    def _start(self) -> asyncio.Task[T]:
        if self._in_flight is None or self._in_flight.done():
            self._in_flight = asyncio.get_running_loop().create_task(self._request())
            self._in_flight.add_done_callback(_retrieve_exception)
        return self._in_flight


def _retrieve_exception(task: asyncio.Task[Any]) -> None:
    """Keeps asyncio from logging a failure that no caller waits for."""
    if not task.cancelled():
        task.exception()
