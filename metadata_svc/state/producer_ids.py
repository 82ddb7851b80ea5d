"""Producer ids: handed out in blocks, each once in the life of a cluster (KIP-730)."""

from collections.abc import Awaitable, Callable
from typing import Final

from common.ports.metadata import ProducerIdBlock

#: Ids that can be handed out in a millisecond: more than a store takes blocks.
_IDS_PER_MS: Final = 1_000

#: As ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE.
BLOCK_SIZE: Final = 1_000


def first_after_start(stored: int, *, now_ms: int) -> int:
    """The first id to hand out after the state was read.

    The state may be an older one that was restored from a backup, and does not know which blocks
    were handed out since. So ids keep ahead of the wall clock, which has moved on since the backup;
    where the clock is behind, the stored id counts. They stay below 2^53 until the year 2255.
    """
    return max(stored, now_ms * _IDS_PER_MS)


class ProducerIdBlocks:
    """Hands out blocks. One caller at a time: see `ChangeLog.run_exclusive`."""

    def __init__(self, next_id: int, save: Callable[[int], Awaitable[None]]) -> None:
        """`save` keeps the first id that was never given away, and returns when it is durable."""
        self._next_id = next_id
        self._save = save

    async def allocate(self) -> ProducerIdBlock:
        """Returns a durably allocated block. Raises what `save` raises; ids may be lost then."""
        first = self._next_id
        # Before the write: where it fails, it may have reached the disk all the same.
        self._next_id += BLOCK_SIZE
        await self._save(self._next_id)
        return ProducerIdBlock(first, BLOCK_SIZE)
