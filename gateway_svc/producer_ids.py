"""Producer ids, from blocks that the metadata service allocates (KIP-730)."""

from collections.abc import Awaitable, Callable
from typing import Final

from common.ports.metadata import ProducerIdBlock
from common.runtime.single_flight import SingleFlight

#: The next block is requested when this share of the current one is left.
_REFILL_SHARE: Final = 0.1


class ProducerIdPool:
    """Returns each id once. Ids of a block that are left when the process ends are never used."""

    def __init__(self, allocate: Callable[[], Awaitable[ProducerIdBlock]]) -> None:
        self._allocate = allocate
        self._next = 0
        self._end = 0
        self._refill_at = 0
        self._next_block: ProducerIdBlock | None = None
        self._refill = SingleFlight(self._fetch_block)

    async def next_id(self) -> int:
        """Returns a new id, unique in the cluster.

        Raises:
            BackendUnavailable: the metadata service cannot allocate a block.
        """
        while self._next == self._end:
            if self._next_block is None:
                await self._refill.run()
            self._use_next_block()
        producer_id = self._next
        self._next += 1
        if self._next >= self._refill_at and self._next_block is None:
            self._refill.prefetch()
        return producer_id

    async def close(self) -> None:
        """Requests no more blocks."""
        await self._refill.close()

    def _use_next_block(self) -> None:
        block, self._next_block = self._next_block, None
        if block is not None:
            self._next, self._end = block.first, block.first + block.count
            self._refill_at = self._end - int(block.count * _REFILL_SHARE)

    async def _fetch_block(self) -> None:
        self._next_block = await self._allocate()
