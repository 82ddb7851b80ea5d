"""Producer ids: handed out in blocks, each once in the life of a cluster (KIP-730)."""

from collections.abc import Awaitable, Callable
from typing import Final

from common.ports.metadata import ProducerIdBlock

#: As ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE.
BLOCK_SIZE: Final = 1_000


class ProducerIds:
    """Hands out blocks. One caller at a time: see `Revisions.alone`."""

    def __init__(self, next_id: int, save: Callable[[int], Awaitable[None]]) -> None:
        """`save` keeps the first id that was never given away, and returns when it is durable."""
        self._next_id = next_id
        self._save = save

    async def allocate(self) -> ProducerIdBlock:
        """A block that is durably taken. Raises what `save` raises; ids may be lost then."""
        first = self._next_id
        # Before the write: where it fails, it may have reached the disk all the same.
        self._next_id += BLOCK_SIZE
        await self._save(self._next_id)
        return ProducerIdBlock(first, BLOCK_SIZE)
