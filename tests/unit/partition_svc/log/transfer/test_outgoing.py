import asyncio
from functools import partial

import pytest

from common.ports.metadata import ClusterChange, Placement, PlacementChange
from common.ports.partitions import ACKS_ALL, ACKS_LEADER, Append, Refusal
from partition_svc.log.log_config import LogConfig
from partition_svc.log.transfer.outgoing import NotMoveSource
from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import MOVED_KINDS
from tests.support.stores.partition_core import (
    CLUSTER_ID,
    LOG,
    append,
    batch,
    running_core,
    topic,
    until,
)

WITHIN_S = 60


def run(tmp_path, test):
    async def within_limits():
        async with (
            asyncio.timeout(WITHIN_S),
            running_core(tmp_path, topic(leader_epoch=5)) as core,
        ):
            await test(core, core._registry.find(LOG))

    asyncio.run(within_limits())


def placement_change(leader_epoch, owner="partition-0"):
    change = PlacementChange(LOG.topic_id, LOG.partition, Placement(owner, leader_epoch))
    return ClusterChange(2, CLUSTER_ID, placements=[change])


@pytest.mark.parametrize("acks", [ACKS_ALL, ACKS_LEADER])
def test_fence_makes_earlier_appends_durable_and_refuses_later_ones(tmp_path, monkeypatch, acks):
    async def test(core, log):
        syncs = []
        sync = core._store.sync
        monkeypatch.setattr(core._store, "sync", lambda: (syncs.append(log.head), sync()))
        replies = [core.append([Append(LOG, batch(size=500_000))], acks=acks) for _ in range(20)]
        fencing = asyncio.ensure_future(core.outgoing.fence(log, 5))
        await asyncio.sleep(0)
        late = core.append([Append(LOG, batch())], acks=acks)
        head = await fencing
        assert all(reply.done() and reply.result()[0].refusal is None for reply in replies)
        assert (await late)[0].refusal is Refusal.MOVING
        assert head.next_offset == 20
        assert syncs[-1] == head == core._store.head(log.key)
        assert head.fence_epoch == 5

    run(tmp_path, test)


def test_fence_is_in_force_after_a_restart_until_the_placement_changes(tmp_path):
    async def before(core, log):
        await append(core, batch())
        await core.outgoing.fence(log, 5)

    async def after(core, _):
        (result,) = await append(core, batch())
        assert result.refusal is Refusal.MOVING
        core.apply(placement_change(6))
        (result,) = await append(core, batch())
        assert (result.refusal, result.base_offset) == (None, 1)

    run(tmp_path, before)
    run(tmp_path, after)


def test_late_fence_has_no_effect(tmp_path):
    async def test(core, log):
        core.apply(placement_change(6))
        with pytest.raises(NotMoveSource) as refused:
            await core.outgoing.fence(log, 5)
        assert refused.value.refusal is Refusal.FENCED_LEADER_EPOCH
        (result,) = await append(core, batch())
        assert result.refusal is None

    run(tmp_path, test)


def test_fence_fails_if_the_epoch_changes_meanwhile(tmp_path):
    async def test(core, log):
        replies = core.append([Append(LOG, batch())], acks=ACKS_ALL)
        fencing = asyncio.ensure_future(core.outgoing.fence(log, 5))
        await asyncio.sleep(0)
        core.apply(placement_change(6))
        with pytest.raises(NotMoveSource):
            await fencing
        await replies
        (result,) = await append(core, batch())
        assert result.refusal is None

    run(tmp_path, test)


@pytest.mark.parametrize("broken", ["write", "sync"])
def test_a_fence_that_could_not_be_stored_raises_and_is_in_force(tmp_path, monkeypatch, broken):
    def fail(*_):
        raise StorageFailed("broken")

    async def test(core, log):
        await append(core, batch())
        with monkeypatch.context() as patch:
            patch.setattr(core._store, broken, fail)
            with pytest.raises(StorageFailed):
                await core.outgoing.fence(log, 5)
        await until(lambda: core._committer.failure is None)
        (result,) = await append(core, batch())
        assert result.refusal is Refusal.MOVING
        await core.outgoing.fence(log, 5)
        assert core._store.head(log.key) == log.head
        assert log.head.fence_epoch == 5
        core.apply(placement_change(6))
        (result,) = await append(core, batch())
        assert result.base_offset == 1

    run(tmp_path, test)


def test_transferred_batches_are_durable(tmp_path, monkeypatch):
    async def test(core, log):
        await append(core, batch(), acks=ACKS_LEADER)
        synced = []
        monkeypatch.setattr(core._store, "sync", lambda: synced.append(log.head.next_offset))
        head = await core.outgoing.durable_head(log)
        assert head.next_offset == 1
        assert synced == [1]

    run(tmp_path, test)


def test_closed_log_ends_its_transfer(tmp_path):
    async def test(core, log):
        await append(core, *(batch(size=200_000) for _ in range(5)))
        found = core.outgoing.batches(log, 0, 5)
        await anext(found)
        core.apply(placement_change(6, owner="partition-1"))
        with pytest.raises(NotMoveSource) as refused:
            await anext(found)
        assert refused.value.refusal is Refusal.NOT_OWNER

    run(tmp_path, test)


def test_many_rows_come_in_pieces(tmp_path):
    async def test(core, log):
        producer_ids = range(6000)
        waiting = [
            core.append([Append(LOG, batch(producer=(producer_id, 0, 0)))], acks=ACKS_LEADER)
            for producer_id in producer_ids
        ]
        await asyncio.gather(*waiting)
        pieces = [rows async for rows in core.outgoing.rows(log, MOVED_KINDS)]
        assert len(pieces) > 2
        rows = [row for piece in pieces for row in piece]
        assert [kind for kind, _, _ in rows] == [b"P"] * 6000 + [b"E"]
        stored = dict(core._store.reader.producers(log.key))
        assert {int.from_bytes(key, "big"): value for _, key, value in rows[:-1]} == stored

    run(tmp_path, test)


def test_only_a_known_move_may_read_a_log(tmp_path):
    async def test(core, _):
        find = partial(core.outgoing.find, 1, LOG)
        for leader_epoch, refusal in (
            (5, Refusal.NOT_OWNER),
            (4, Refusal.FENCED_LEADER_EPOCH),
            (6, Refusal.UNKNOWN_LEADER_EPOCH),
        ):
            with pytest.raises(NotMoveSource) as refused:
                await find(leader_epoch)
            assert refused.value.refusal is refusal

    run(tmp_path, test)


def test_producers_are_copied_as_they_were_at_an_offset(tmp_path):
    """Later appends may be lost in a power failure; the target derives them from the batches."""

    async def test(core, log):
        for sequence in range(7):
            await append(core, batch(producer=(1, 0, sequence)))
        before = dict(core._store.reader.producers(log.key))
        await append(core, batch(producer=(1, 0, 7)), batch(producer=(2, 0, 0)))
        after = dict(core._store.reader.producers(log.key))

        async def rows(end_offset):
            found = [rows async for rows in core.outgoing.producers(log, end_offset)]
            return {int.from_bytes(key, "big"): value for rows in found for _, key, value in rows}

        # The time of the last append may be newer; a row has at most five batches.
        assert {producer_id: value[10:] for producer_id, value in (await rows(7)).items()} == {
            1: before[1][26:]
        }
        assert await rows(9) == after
        assert await rows(0) == {}

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("end_offset", "last_epoch", "continues"),
    [(3, 5, True), (2, 5, True), (4, 5, False), (4, 8, True), (6, 8, True), (7, 8, False),
     (3, 8, False), (3, 6, False), (0, 5, False)],
)  # fmt: skip
def test_copy_is_a_prefix_if_its_last_epoch_agrees(tmp_path, end_offset, last_epoch, continues):
    async def test(core, log):
        await append(core, batch(3))
        core.apply(placement_change(8))
        await append(core, batch(3))
        copy = {"end_offset": end_offset, "last_epoch": last_epoch}
        assert core.outgoing.has_prefix(log, **copy) is continues
        log.config = LogConfig.of({"cleanup.policy": "compact"}, {})
        assert not core.outgoing.has_prefix(log, **copy)

    run(tmp_path, test)
