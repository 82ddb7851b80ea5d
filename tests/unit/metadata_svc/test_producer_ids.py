import asyncio

import pytest

from common.kv.store import StorageFailed
from common.ports.metadata import ProducerIdBlock
from metadata_svc.producer_ids import BLOCK_SIZE, ProducerIds


def test_a_block_is_given_away_only_after_it_was_kept():
    kept = []

    async def save(next_id):
        kept.append(next_id)

    async def body():
        ids = ProducerIds(5, save)
        assert await ids.allocate() == ProducerIdBlock(5, BLOCK_SIZE)
        assert kept == [5 + BLOCK_SIZE]
        assert await ids.allocate() == ProducerIdBlock(5 + BLOCK_SIZE, BLOCK_SIZE)

    asyncio.run(body())


def test_a_block_whose_write_failed_is_never_given_away():
    is_full = True

    async def save(next_id):
        if is_full:
            raise StorageFailed("no space")

    async def body():
        nonlocal is_full
        ids = ProducerIds(0, save)
        with pytest.raises(StorageFailed):
            await ids.allocate()
        is_full = False
        assert (await ids.allocate()).first == BLOCK_SIZE

    asyncio.run(body())
