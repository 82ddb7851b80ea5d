import asyncio
from dataclasses import replace

import pytest

from common.ports.classic_groups import DescribeGroup
from common.ports.group_errors import GroupRefusal
from common.ports.metadata import Placement, PlacementChange
from common.ports.partitions import AppendResult, LogId, Refusal
from partition_svc.coordinator.runtime import shards
from tests.support.groups.groups import (
    GROUP,
    OFFSETS_TOPIC_ID,
    asked,
    committed,
    committing,
    data_topic,
    joining,
    new_member_id,
    offsets_topic,
    parked,
    running_coordinators,
    settled_alone,
)
from tests.support.stores.partition_core import CLUSTER_ID, MEMBER, ClusterChange, snapshot

LOG = LogId(OFFSETS_TOPIC_ID, 0)


def run(test, folder, *topics, **settings):
    topics = topics or (offsets_topic(partitions=1), data_topic())

    async def within_limits():
        async with asyncio.timeout(60):
            async with running_coordinators(folder, *topics, **settings) as (core, coordinators):
                await test(core, coordinators)

    asyncio.run(within_limits())


def placed(owner, leader_epoch, revision=2):
    change = PlacementChange(OFFSETS_TOPIC_ID, 0, Placement(owner, leader_epoch))
    return ClusterChange(revision, CLUSTER_ID, placements=[change])


def commit(to, offset=1, **more):
    return asked(lambda: to.call(committing(offset, **more)))


async def waiting_for(to):
    """A call that waits for another member of its group."""
    await settled_alone(to)
    waiting = to.call(joining(await new_member_id(to)))
    await parked([waiting])
    return waiting


@pytest.mark.parametrize(
    "topics", [(data_topic(),), (offsets_topic(owner="somebody else"),)], ids=["none", "other"]
)
def test_groups_of_others_are_refused(tmp_path, topics):
    async def test(_, to):
        result = await to.call(committing(1))
        assert result.refusal is GroupRefusal.NOT_COORDINATOR
        described = await to.call(DescribeGroup(GROUP))
        assert described.refusal is GroupRefusal.NOT_COORDINATOR

    run(test, tmp_path, *topics)


def test_until_it_is_loaded_the_answer_is_to_come_again(tmp_path):
    async def test(core, to):
        assert (await commit(to)).refusal is None
        core.apply(placed(MEMBER, 1))
        # Loaded because of the change, not because of who asks; but that takes a moment.
        refused = await to.call(committing(1))
        assert refused.refusal is GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS
        assert await committed(to) == 1

    run(test, tmp_path)


def test_who_waits_is_told_when_the_partition_leaves(tmp_path):
    async def test(core, to):
        waiting = await waiting_for(to)
        core.apply(placed("somebody else", 1))
        assert (await waiting).refusal is GroupRefusal.NOT_COORDINATOR
        assert (await to.call(committing(1))).refusal is GroupRefusal.NOT_COORDINATOR

    run(test, tmp_path)


def test_who_waits_is_told_at_the_fence_of_a_move(tmp_path):
    async def test(core, to):
        waiting = await waiting_for(to)
        log = core._registry.find(LOG)
        await core.outgoing.fence(log, 0)
        assert (await waiting).refusal is GroupRefusal.NOT_COORDINATOR
        assert (await to.call(committing(1))).refusal is GroupRefusal.NOT_COORDINATOR
        # The move was given up: the same owner goes on under the next epoch.
        core.apply(placed(MEMBER, 1))
        group = await asked(lambda: to.call(DescribeGroup(GROUP)))
        assert (group.state, len(group.members)) == ("Stable", 1)

    run(test, tmp_path)


def test_a_write_under_way_is_in_the_log_before_the_next_epoch_loads_it(tmp_path):
    async def test(core, to):
        await commit(to, 1)
        for n in range(1, 20):
            result = to.call(committing(100 + n))
            # At another moment of the write each time.
            for _ in range(n % 7):
                await asyncio.sleep(0)
            core.apply(placed(MEMBER, 2 * n, revision=2 * n))
            acknowledged = (await result).refusal is None
            offset = await committed(to)
            assert offset == 100 + n or not acknowledged
            # What memory says is what the log says: it is loaded once more.
            core.apply(placed(MEMBER, 2 * n + 1, revision=2 * n + 1))
            assert await committed(to) == offset

    run(test, tmp_path)


def test_after_a_failed_write_groups_are_what_the_log_has(tmp_path, monkeypatch):
    async def test(core, to):
        await commit(to, 1)
        real = core.append

        def failing(appends, *, acks):
            future = asyncio.get_running_loop().create_future()
            future.set_result([AppendResult(refusal=Refusal.KAFKA_STORAGE_ERROR) for _ in appends])
            return future

        monkeypatch.setattr(core, "append", failing)
        refused = await to.call(committing(2))
        assert refused.refusal is GroupRefusal.COORDINATOR_NOT_AVAILABLE
        monkeypatch.setattr(core, "append", real)
        assert await committed(to) == 1
        assert (await commit(to, 3)).refusal is None

    run(test, tmp_path)


def test_a_topic_that_was_made_again_begins_without_groups(tmp_path):
    async def test(core, to):
        await commit(to, 1)
        again = replace(offsets_topic(partitions=1), topic_id=b"another offsets.")
        core.apply(snapshot(again, data_topic(), revision=2))
        assert await committed(to) == -1

    run(test, tmp_path)


def test_at_its_end_everybody_is_told(tmp_path):
    async def test(_, to):
        waiting = await waiting_for(to)
        await to.drain()
        assert (await waiting).refusal is GroupRefusal.NOT_COORDINATOR
        assert (await to.call(committing(1))).refusal is GroupRefusal.NOT_COORDINATOR

    run(test, tmp_path)


@pytest.mark.parametrize("step", ["load", "restore"])
def test_a_bug_in_loading_does_not_leave_groups_loading_for_good(
    tmp_path, monkeypatch, caplog, step
):
    async def test(core, to):
        assert (await commit(to)).refusal is None
        monkeypatch.setattr(shards, "_RETRY_S_MAX", 0.001)
        failures = [ZeroDivisionError("a bug")]
        where, name = (shards, "load") if step == "load" else (shards.Shard, "restore")
        done = getattr(where, name)

        def fail_once(*given):
            if failures:
                raise failures.pop()
            return done(*given)

        monkeypatch.setattr(where, name, fail_once)
        core.apply(placed(MEMBER, 1))
        assert await committed(to) == 1
        assert not failures

    run(test, tmp_path)
    assert "failed to load the groups" in caplog.text


def test_a_record_is_as_large_as_the_topic_allows_now(tmp_path):
    """One that is larger is refused by itself; the log would refuse everything beside it too."""

    async def test(core, to):
        assert (await commit(to, 1)).refusal is None
        long = "x" * 500
        assert (await commit(to, 2, metadata=long)).refusal is None
        small = replace(offsets_topic(partitions=1), configs={"max.message.bytes": "300"})
        core.apply(ClusterChange(2, CLUSTER_ID, topics=[small]))
        neighbour = to.call(committing(3, "another-group"))
        refused = await to.call(committing(3, metadata=long))
        assert refused.refusal is GroupRefusal.UNKNOWN_SERVER_ERROR
        assert (await neighbour).refusal is None
        assert await committed(to) == 2

    run(test, tmp_path)
