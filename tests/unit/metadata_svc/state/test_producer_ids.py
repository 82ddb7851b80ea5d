import asyncio

import pytest

from common.kv.store import KvStoreFailed
from common.ports.metadata import ProducerIdBlock
from metadata_svc.state.producer_ids import BLOCK_SIZE, ProducerIdBlocks, first_after_start


def test_a_block_is_given_away_only_after_it_was_kept():
    kept = []

    async def save(next_id):
        kept.append(next_id)

    async def body():
        ids = ProducerIdBlocks(5, save)
        assert await ids.allocate() == ProducerIdBlock(5, BLOCK_SIZE)
        assert kept == [5 + BLOCK_SIZE]
        assert await ids.allocate() == ProducerIdBlock(5 + BLOCK_SIZE, BLOCK_SIZE)

    asyncio.run(body())


def test_a_block_whose_write_failed_is_never_given_away():
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


def test_a_start_from_an_older_backup_hands_out_no_id_again():
    backup = first_after_start(0, now_ms=1_700_000_000_000)
    handed_out = backup + 50 * BLOCK_SIZE
    # A day later the backup is restored: it knows nothing of those blocks.
    again = first_after_start(backup, now_ms=1_700_086_400_000)
    assert handed_out < again < 2**53


def test_a_clock_that_goes_back_does_not_bring_ids_back():
    assert first_after_start(5_000_000, now_ms=1) == 5_000_000
