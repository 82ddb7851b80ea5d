import asyncio

import pytest

from common.kv.store import KvStoreFailed
from common.ports.metadata import ProducerIdBlock
from metadata_svc.state.producer_ids import BLOCK_SIZE, ProducerIdBlocks, first_after_start


def test_a_block_is_returned_only_after_its_end_was_stored():
    stored = []

    async def save(next_id):
        stored.append(next_id)

    async def body():
        ids = ProducerIdBlocks(5, save)
        assert await ids.allocate() == ProducerIdBlock(5, BLOCK_SIZE)
        assert stored == [5 + BLOCK_SIZE]
        assert await ids.allocate() == ProducerIdBlock(5 + BLOCK_SIZE, BLOCK_SIZE)

    asyncio.run(body())


def test_a_block_whose_write_failed_is_never_returned():
    is_full = True

    async def save(next_id):
        if is_full:
            raise KvStoreFailed("no space")

    async def body():
        nonlocal is_full
        ids = ProducerIdBlocks(0, save)
        with pytest.raises(KvStoreFailed):
            await ids.allocate()
        is_full = False
        assert (await ids.allocate()).first == BLOCK_SIZE

    asyncio.run(body())


def test_a_start_from_an_older_backup_returns_no_id_twice():
    backup = first_after_start(0, now_ms=1_700_000_000_000)
    end = backup + 50 * BLOCK_SIZE
    # A day later the backup is restored, which does not record those blocks.
    first = first_after_start(backup, now_ms=1_700_086_400_000)
    assert end < first < 2**53


def test_ids_do_not_go_back_when_the_clock_does():
    assert first_after_start(5_000_000, now_ms=1) == 5_000_000
