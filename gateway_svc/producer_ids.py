"""Hands out producer ids from blocks that the metadata service gives (KIP-730)."""

from collections.abc import Awaitable, Callable
from typing import Final

from common.ports.metadata import ProducerIdBlock
from common.runtime.single_flight import SingleFlight

#: The next block is asked for when this share of the current one is left.
_REFILL_SHARE: Final = 0.1


class ProducerIdPool:
    """Every id is handed out once. What is left of a block when the process ends is never used."""

    def __init__(self, allocate: Callable[[], Awaitable[ProducerIdBlock]]) -> None:
        self._allocate = allocate
        self._next = 0
        self._end = 0
        self._refill_at = 0
        self._spare: ProducerIdBlock | None = None
        self._refill = SingleFlight(self._fetch_block)

    async def next_id(self) -> int:
        """An id that nobody else has. Raises `BackendUnavailable` where no block is to be had."""
        while self._next == self._end:
            if self._spare is None:
                await self._refill.run()
            self._begin_spare()
        taken = self._next
        self._next += 1
        if self._next >= self._refill_at and self._spare is None:
            self._refill.prefetch()
        return taken

    async def close(self) -> None:
        """Asks for no more blocks."""
        await self._refill.close()

    def _begin_spare(self) -> None:
        block, self._spare = self._spare, None
        if block is not None:
            self._next, self._end = block.first, block.first + block.count
            self._refill_at = self._end - int(block.count * _REFILL_SHARE)

    async def _fetch_block(self) -> None:
        self._spare = await self._allocate()
