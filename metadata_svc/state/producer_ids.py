"""Blocks of producer ids, each allocated once in the life of a cluster (KIP-730)."""

from collections.abc import Awaitable, Callable
from typing import Final

from common.ports.metadata import ProducerIdBlock

#: Upper bound of ids allocated per millisecond; a durable write per block is slower.
_IDS_PER_MS: Final = 1_000

#: Kafka's ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE.
BLOCK_SIZE: Final = 1_000


def first_after_start(stored: int, *, now_ms: int) -> int:
    """Returns the first id to allocate after a start.

    The state may have been restored from a backup, which lacks the blocks allocated since. So ids
    stay ahead of the wall clock, which has advanced since the backup; if the clock is behind, the
    stored id is used. Ids stay below 2^53 until the year 2255.
    """
    return max(stored, now_ms * _IDS_PER_MS)


class ProducerIdBlocks:
    """Allocates blocks. One caller at a time: see `ChangeLog.run_exclusive`."""

    def __init__(self, next_id: int, save: Callable[[int], Awaitable[None]]) -> None:
        """`save` stores the first unallocated id and returns when it is durable."""
        self._next_id = next_id
        self._save = save

    async def allocate(self) -> ProducerIdBlock:
        """Returns a durably allocated block. If `save` raises, the ids are never used."""
        first = self._next_id
        # Advanced before the write: a failed write may have reached the disk.
        self._next_id += BLOCK_SIZE
        await self._save(self._next_id)
        return ProducerIdBlock(first, BLOCK_SIZE)
