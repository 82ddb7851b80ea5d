"""Long polls: requests that wait for data or for other members, ended early at shutdown."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class LongPolls:
    """The waits that `close` ends, so that a gateway need not wait for them before it stops."""

    def __init__(self) -> None:
        self.is_closed = False
        self._tasks: set[asyncio.Task[object]] = set()

    async def wait(self, response: Awaitable[T]) -> T | None:
        """Returns the result of `response`, or None if `close` ended the wait first."""
        task = asyncio.current_task()
        assert task is not None, "a long poll needs a task that can be cancelled"
        self._tasks.add(task)
        try:
            return await response
        except asyncio.CancelledError:
            # The cancellation by `close` is undone; one by the pipeline (the client has left) is
            # passed on.
            if not self.is_closed or task in self._tasks or task.uncancel() > 0:
                raise
            return None
        finally:
            self._tasks.discard(task)

    def close(self) -> None:
        """Ends the waits of this moment. Later ones see `is_closed`, and are not ended."""
        self.is_closed = True
        while self._tasks:
            self._tasks.pop().cancel()
