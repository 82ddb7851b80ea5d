"""Lets those who found the cluster changed wait until the view has heard of it too."""

import asyncio
from contextlib import suppress


class ViewChanges:
    """One `tell` for each change; it wakes everybody who waits."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, timeout_s: float) -> None:
        """Returns at the next change, or when the time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
