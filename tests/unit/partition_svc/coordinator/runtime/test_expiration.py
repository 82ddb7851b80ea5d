import asyncio
from dataclasses import replace

from common.ports.classic_groups import DescribeGroup, ListGroups
from common.ports.group_offsets import FetchOffsets, TopicPartitions
from partition_svc.coordinator.runtime.shard import Shard
from tests.support.groups.groups import (
    DATA,
    DATA_TOPIC_ID,
    call_when_loaded,
    commit_request,
    data_topic,
    fetch_committed,
    join_and_sync_alone,
    offsets_topic,
    running_coordinators,
)
from tests.support.stores.partition_core import CLUSTER_ID, ClusterChange


def run(test, folder, *topics, **settings):
    async def within_limits():
        async with asyncio.timeout(60):
            async with running_coordinators(folder, *topics, **settings) as (core, coordinators):
                await test(core, coordinators)

    asyncio.run(within_limits())


async def wait_until_offsets_are_removed(coordinators, group_id="a-group"):
    request = FetchOffsets(group_id)
    while (await coordinators.call(request)).offsets:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def commit(coordinators, **more):
    return call_when_loaded(lambda: coordinators.call(commit_request(1, **more)))


def test_offsets_of_a_deleted_topic_are_removed(tmp_path):
    async def test(core, coordinators):
        await commit(coordinators)
        await commit(coordinators, group_id="without-id", topic_id=b"")
        await commit(coordinators, group_id="of-another", topic="other", topic_id=b"x" * 16)
        core.apply(ClusterChange(2, CLUSTER_ID, deleted_topics=[DATA_TOPIC_ID]))
        await wait_until_offsets_are_removed(coordinators)
        await wait_until_offsets_are_removed(coordinators, "without-id")
        assert (await coordinators.call(FetchOffsets("of-another"))).offsets

    run(test, tmp_path)


def test_offsets_of_a_topic_deleted_while_stopped_are_removed(tmp_path):
    async def before(core, coordinators):
        await commit(coordinators)

    run(before, tmp_path)

    async def after(core, coordinators):
        assert await fetch_committed(coordinators) == 1
        await wait_until_offsets_are_removed(coordinators)

    run(after, tmp_path, offsets_topic(), offsets_retention_check_ms=5)


def test_offsets_of_a_topic_recreated_while_stopped_are_not_returned(tmp_path):
    recreated = replace(data_topic(), topic_id=b"the id of a copy")

    async def before(core, coordinators):
        await commit(coordinators)
        assert await fetch_committed(coordinators) == 1

    run(before, tmp_path)

    async def after(core, coordinators):
        assert await fetch_committed(coordinators) == -1
        request = FetchOffsets("a-group", [TopicPartitions(DATA, [0], recreated.topic_id)])
        assert [offset.offset for offset in (await coordinators.call(request)).offsets] == [-1]
        # The group exists until its old offset is removed.
        while (await coordinators.list_groups(ListGroups())).groups:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    run(after, tmp_path, offsets_topic(), recreated, offsets_retention_check_ms=5)


def test_offsets_expire_after_their_retention(tmp_path):
    async def test(_, coordinators):
        await commit(coordinators, retention_ms=0)
        await commit(coordinators, group_id="later", retention_ms=2**50)
        await wait_until_offsets_are_removed(coordinators)
        description = await coordinators.call(DescribeGroup("later"))
        assert description.state == "Empty"

    run(test, tmp_path, offsets_retention_check_ms=5)


def test_offsets_of_a_group_with_members_do_not_expire(tmp_path):
    async def test(_, coordinators):
        joined = await join_and_sync_alone(coordinators)
        await coordinators.call(commit_request(1, joined=joined))
        # The removal of another group shows that a sweep has run.
        await commit(coordinators, group_id="other", retention_ms=0)
        await wait_until_offsets_are_removed(coordinators, "other")
        assert await fetch_committed(coordinators) == 1

    run(test, tmp_path, offsets_retention_check_ms=5)


def test_exception_in_a_sweep_does_not_stop_the_next_one(tmp_path, monkeypatch, caplog):
    async def test(core, coordinators):
        await commit(coordinators)
        apply, failures = Shard.apply, [ZeroDivisionError(), ZeroDivisionError()]

        def fail_twice(*args):
            if failures:
                raise failures.pop()
            apply(*args)

        monkeypatch.setattr(Shard, "apply", fail_twice)
        core.apply(ClusterChange(2, CLUSTER_ID, deleted_topics=[DATA_TOPIC_ID]))
        await wait_until_offsets_are_removed(coordinators)

    run(test, tmp_path, offsets_retention_check_ms=5)
    assert "failed to delete expired offsets" in caplog.text
