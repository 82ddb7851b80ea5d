"""Waiting for the next change of something that others change."""

import asyncio
from collections.abc import Callable
from contextlib import suppress


class Notifier:
    """Wakes all tasks that wait, at each change. To be used in one event loop."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self.version = 0

    def notify_all(self) -> None:
        """Wakes all waiting tasks; must be called after each change."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, deadline: float | None, *, since: int | None = None) -> None:
        """Returns at the next change, or at `deadline` (loop time; None: never).

        `since` is a `version` read before: changes after that one count as the next change.
        """
        since = self.version if since is None else since
        await self.wait_for(lambda: self.version != since, deadline)

    async def wait_for(self, predicate: Callable[[], bool], deadline: float | None) -> None:
        """Returns when `predicate` is true, or at `deadline`. It is tested after each change."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                while not predicate():
                    await self._changed.wait()
