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
    call_when_loaded,
    commit_request,
    data_topic,
    fetch_committed,
    join_and_sync_alone,
    join_request,
    new_member_id,
    offsets_topic,
    running_coordinators,
    wait_until_parked,
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


def placement_change(owner, leader_epoch, revision=2):
    change = PlacementChange(OFFSETS_TOPIC_ID, 0, Placement(owner, leader_epoch))
    return ClusterChange(revision, CLUSTER_ID, placements=[change])


def commit(coordinators, offset=1, **fields):
    return call_when_loaded(lambda: coordinators.call(commit_request(offset, **fields)))


async def start_pending_join(coordinators):
    """Starts a join that waits for another member of its group."""
    await join_and_sync_alone(coordinators)
    pending = coordinators.call(join_request(await new_member_id(coordinators)))
    await wait_until_parked([pending])
    return pending


@pytest.mark.parametrize(
    "topics", [(data_topic(),), (offsets_topic(owner="another member"),)], ids=["none", "other"]
)
def test_group_of_another_owner_is_refused(tmp_path, topics):
    async def test(_, coordinators):
        result = await coordinators.call(commit_request(1))
        assert result.refusal is GroupRefusal.NOT_COORDINATOR
        description = await coordinators.call(DescribeGroup(GROUP))
        assert description.refusal is GroupRefusal.NOT_COORDINATOR

    run(test, tmp_path, *topics)


def test_call_during_the_load_is_refused_as_loading(tmp_path):
    async def test(core, coordinators):
        assert (await commit(coordinators)).refusal is None
        core.apply(placement_change(MEMBER, 1))
        # The change starts the load, which has not finished when the call arrives.
        refused = await coordinators.call(commit_request(1))
        assert refused.refusal is GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS
        assert await fetch_committed(coordinators) == 1

    run(test, tmp_path)


def test_pending_call_is_refused_when_the_owner_changes(tmp_path):
    async def test(core, coordinators):
        pending = await start_pending_join(coordinators)
        core.apply(placement_change("another member", 1))
        assert (await pending).refusal is GroupRefusal.NOT_COORDINATOR
        assert (await coordinators.call(commit_request(1))).refusal is GroupRefusal.NOT_COORDINATOR

    run(test, tmp_path)


def test_pending_call_is_refused_at_the_fence_of_a_move(tmp_path):
    async def test(core, coordinators):
        pending = await start_pending_join(coordinators)
        log = core._registry.find(LOG)
        await core.outgoing.fence(log, 0)
        assert (await pending).refusal is GroupRefusal.NOT_COORDINATOR
        assert (await coordinators.call(commit_request(1))).refusal is GroupRefusal.NOT_COORDINATOR
        # The move is rolled back: the same owner continues under the next epoch.
        core.apply(placement_change(MEMBER, 1))
        group = await call_when_loaded(lambda: coordinators.call(DescribeGroup(GROUP)))
        assert (group.state, len(group.members)) == ("Stable", 1)

    run(test, tmp_path)


def test_next_epoch_loads_the_log_after_the_write_in_flight(tmp_path):
    async def test(core, coordinators):
        await commit(coordinators, 1)
        for n in range(1, 20):
            result = coordinators.call(commit_request(100 + n))
            # The epoch changes at another moment of the write each time.
            for _ in range(n % 7):
                await asyncio.sleep(0)
            core.apply(placement_change(MEMBER, 2 * n, revision=2 * n))
            acknowledged = (await result).refusal is None
            offset = await fetch_committed(coordinators)
            assert offset == 100 + n or not acknowledged
            # Another load shows that memory and log agree.
            core.apply(placement_change(MEMBER, 2 * n + 1, revision=2 * n + 1))
            assert await fetch_committed(coordinators) == offset

    run(test, tmp_path)


def test_failed_write_reloads_the_groups_from_the_log(tmp_path, monkeypatch):
    async def test(core, coordinators):
        await commit(coordinators, 1)
        append = core.append

        def fail(appends, *, acks):
            future = asyncio.get_running_loop().create_future()
            future.set_result([AppendResult(refusal=Refusal.KAFKA_STORAGE_ERROR) for _ in appends])
            return future

        monkeypatch.setattr(core, "append", fail)
        refused = await coordinators.call(commit_request(2))
        assert refused.refusal is GroupRefusal.COORDINATOR_NOT_AVAILABLE
        monkeypatch.setattr(core, "append", append)
        assert await fetch_committed(coordinators) == 1
        assert (await commit(coordinators, 3)).refusal is None

    run(test, tmp_path)


def test_recreated_topic_has_no_groups(tmp_path):
    async def test(core, coordinators):
        await commit(coordinators, 1)
        recreated = replace(offsets_topic(partitions=1), topic_id=b"another offsets.")
        core.apply(snapshot(recreated, data_topic(), revision=2))
        assert await fetch_committed(coordinators) == -1

    run(test, tmp_path)


def test_drain_refuses_pending_and_new_calls(tmp_path):
    async def test(_, coordinators):
        pending = await start_pending_join(coordinators)
        await coordinators.drain()
        assert (await pending).refusal is GroupRefusal.NOT_COORDINATOR
        assert (await coordinators.call(commit_request(1))).refusal is GroupRefusal.NOT_COORDINATOR

    run(test, tmp_path)


@pytest.mark.parametrize("step", ["load", "restore"])
def test_exception_while_loading_is_retried(tmp_path, monkeypatch, caplog, step):
    async def test(core, coordinators):
        assert (await commit(coordinators)).refusal is None
        monkeypatch.setattr(shards, "_RETRY_S_MAX", 0.001)
        failures = [ZeroDivisionError("a bug")]
        owner, name = (shards, "load") if step == "load" else (shards.Shard, "restore")
        original = getattr(owner, name)

        def fail_once(*args):
            if failures:
                raise failures.pop()
            return original(*args)

        monkeypatch.setattr(owner, name, fail_once)
        core.apply(placement_change(MEMBER, 1))
        assert await fetch_committed(coordinators) == 1
        assert not failures

    run(test, tmp_path)
    assert "failed to load the groups" in caplog.text


def test_record_over_the_current_limit_is_refused_alone(tmp_path):
    """Only the record that is too large is refused: the log would refuse its whole batch."""

    async def test(core, coordinators):
        assert (await commit(coordinators, 1)).refusal is None
        metadata = "x" * 500
        assert (await commit(coordinators, 2, metadata=metadata)).refusal is None
        small = replace(offsets_topic(partitions=1), configs={"max.message.bytes": "300"})
        core.apply(ClusterChange(2, CLUSTER_ID, topics=[small]))
        neighbour = coordinators.call(commit_request(3, "another-group"))
        refused = await coordinators.call(commit_request(3, metadata=metadata))
        assert refused.refusal is GroupRefusal.UNKNOWN_SERVER_ERROR
        assert (await neighbour).refusal is None
        assert await fetch_committed(coordinators) == 2

    run(test, tmp_path)
