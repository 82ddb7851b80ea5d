import asyncio

import pytest

from common.ports.metadata import ClusterChange, Placement, PlacementChange
from common.ports.partitions import EpochEndOffset, EpochQuery, Refusal
from partition_svc.store.failures import StorageFailed
from tests.support.stores.partition_core import CLUSTER_ID, LOG, append, batch, running_core, topic

#: (requested epoch) → (epoch found, its end); `append_under_epochs` appends under 2, 3 and 6.
ENDS = {-1: (-1, -1), 0: (0, 0), 2: (2, 3), 3: (3, 5), 4: (3, 5), 5: (3, 5), 6: (6, 6), 7: (-1, -1)}


def run(test):
    async def within_limits():
        async with asyncio.timeout(60):
            await test()

    asyncio.run(within_limits())


def with_leader_epoch(leader_epoch, revision):
    change = PlacementChange(LOG.topic_id, LOG.partition, Placement("partition-0", leader_epoch))
    return ClusterChange(revision, CLUSTER_ID, placements=[change])


async def append_under_epochs(core):
    await append(core, batch(3))
    core.apply(with_leader_epoch(3, 2))
    await append(core, batch(2))
    core.apply(with_leader_epoch(5, 3))
    core.apply(with_leader_epoch(6, 4))
    await append(core, batch(1))


async def end_offsets(core, *epochs):
    found = await core.epoch_end_offsets([EpochQuery(LOG, epoch) for epoch in epochs])
    assert all(result.refusal is None for result in found)
    return {
        epoch: (result.leader_epoch, result.end_offset)
        for epoch, result in zip(epochs, found, strict=True)
    }


def test_epoch_ends_at_the_next_one_with_batches(tmp_path):
    async def test():
        async with running_core(tmp_path, topic(leader_epoch=2)) as core:
            await append_under_epochs(core)
            assert await end_offsets(core, *ENDS) == ENDS

    run(test)


def test_epochs_are_known_after_a_restart_and_never_go_back(tmp_path):
    async def before():
        async with running_core(tmp_path, topic(leader_epoch=2)) as core:
            await append_under_epochs(core)

    async def after():
        # An epoch below that of the records, as after metadata has lost changes.
        async with running_core(tmp_path, topic(leader_epoch=4)) as core:
            assert await end_offsets(core, *ENDS) == ENDS
            (described,) = await core.describe_logs([LOG])
            assert described.leader_epoch == 6

    run(before)
    run(after)


def test_epoch_without_batches_ends_at_its_start(tmp_path):
    async def test():
        async with running_core(tmp_path, topic(leader_epoch=2)) as core:
            assert await end_offsets(core, 1, 2) == {1: (1, 0), 2: (2, 0)}
            await append(core, batch(3))
            core.apply(with_leader_epoch(9, 2))
            assert await end_offsets(core, 2, 8, 9) == {2: (2, 3), 8: (2, 3), 9: (9, 3)}

    run(test)


def test_a_batch_belongs_to_the_epoch_under_which_it_was_staged(tmp_path):
    async def test():
        async with running_core(tmp_path, topic(leader_epoch=2)) as core:
            appending = asyncio.ensure_future(append(core, batch(3)))
            # Staged, and not written yet.
            await asyncio.sleep(0)
            core.apply(with_leader_epoch(3, 2))
            await appending
            assert await end_offsets(core, 2, 3) == {2: (2, 3), 3: (3, 3)}
            await append(core, batch(1))
            assert await end_offsets(core, 2, 3) == {2: (2, 3), 3: (3, 4)}

    run(test)


@pytest.mark.parametrize(
    ("current", "refusal"),
    [(1, Refusal.FENCED_LEADER_EPOCH), (3, Refusal.UNKNOWN_LEADER_EPOCH), (2, None)],
)
def test_a_caller_with_another_epoch_is_refused(tmp_path, current, refusal):
    async def test():
        async with running_core(tmp_path, topic(leader_epoch=2)) as core:
            (found,) = await core.epoch_end_offsets([EpochQuery(LOG, 2, current)])
            assert found.refusal is refusal

    run(test)


def test_a_store_that_cannot_be_read_is_a_refusal(tmp_path, monkeypatch):
    def fail(_):
        raise StorageFailed("broken")

    async def test():
        async with running_core(tmp_path) as core:
            await append(core, batch())
            monkeypatch.setattr(core._store.reader, "epochs", fail)
            (found,) = await core.epoch_end_offsets([EpochQuery(LOG, 0)])
            assert found == EpochEndOffset(refusal=Refusal.KAFKA_STORAGE_ERROR)

    run(test)
