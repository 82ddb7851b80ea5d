"""Hands out producer ids from blocks that the metadata service gives (KIP-730)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from common.ports.metadata import ProducerIdBlock

#: The next block is asked for when this share of the current one is left.
_REFILL_SHARE: Final = 0.1


class ProducerIds:
    """Every id is handed out once. What is left of a block when the process ends is never used."""

    def __init__(self, allocate: Callable[[], Awaitable[ProducerIdBlock]]) -> None:
        self._allocate = allocate
        self._next = 0
        self._end = 0
        self._refill_at = 0
        self._spare: ProducerIdBlock | None = None
        self._allocating: asyncio.Task[None] | None = None

    async def take(self) -> int:
        """An id that nobody else has. Raises `BackendUnavailable` where no block is to be had."""
        while self._next == self._end:
            if self._spare is None:
                await asyncio.shield(self._refill())
            self._begin_spare()
        taken = self._next
        self._next += 1
        if self._next >= self._refill_at and self._spare is None:
            self._refill()
        return taken

    async def close(self) -> None:
        """Asks for no more blocks."""
        if self._allocating is not None:
            self._allocating.cancel()
            await asyncio.wait([self._allocating])

    def _begin_spare(self) -> None:
        block, self._spare = self._spare, None
        if block is not None:
            self._next, self._end = block.first, block.first + block.count
            self._refill_at = self._end - int(block.count * _REFILL_SHARE)

    def _refill(self) -> asyncio.Task[None]:
        """One request for a block at a time, shared by all who wait for it."""
        if self._allocating is None or self._allocating.done():
            self._allocating = asyncio.get_running_loop().create_task(self._fetch_block())
            self._allocating.add_done_callback(_look_at)
        return self._allocating

    async def _fetch_block(self) -> None:
        self._spare = await self._allocate()


def _look_at(task: asyncio.Task[None]) -> None:
    """A refill ahead of time may fail unseen: the take that needs it tries again and tells."""
    if not task.cancelled():
        task.exception()
