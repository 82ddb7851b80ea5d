import asyncio
from dataclasses import replace

from common.ports.classic_groups import DescribeGroup, ListGroups
from common.ports.group_offsets import FetchOffsets, TopicPartitions
from partition_svc.coordinator.runtime.shard import Shard
from tests.support.groups.groups import (
    DATA,
    DATA_TOPIC_ID,
    asked,
    committed,
    committing,
    data_topic,
    offsets_topic,
    running_coordinators,
    settled_alone,
)
from tests.support.stores.partition_core import CLUSTER_ID, ClusterChange


def run(test, folder, *topics, **settings):
    async def within_limits():
        async with asyncio.timeout(60):
            async with running_coordinators(folder, *topics, **settings) as (core, coordinators):
                await test(core, coordinators)

    asyncio.run(within_limits())


async def until_none_is_left(to, group_id="a-group"):
    asking = FetchOffsets(group_id)
    while (await to.call(asking)).offsets:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def commit(to, **more):
    return asked(lambda: to.call(committing(1, **more)))


def test_the_offsets_of_a_deleted_topic_are_forgotten(tmp_path):
    async def test(core, to):
        await commit(to)
        await commit(to, group_id="without-id", topic_id=b"")
        await commit(to, group_id="of-another", topic="other", topic_id=b"x" * 16)
        core.apply(ClusterChange(2, CLUSTER_ID, topics_gone=[DATA_TOPIC_ID]))
        await until_none_is_left(to)
        await until_none_is_left(to, "without-id")
        assert (await to.call(FetchOffsets("of-another"))).offsets

    run(test, tmp_path)


def test_a_topic_that_went_while_nobody_was_here_is_noticed(tmp_path):
    async def before(core, to):
        await commit(to)

    run(before, tmp_path)

    async def after(core, to):
        assert await committed(to) == 1
        await until_none_is_left(to)

    run(after, tmp_path, offsets_topic(), offsets_retention_check_ms=5)


def test_a_topic_made_again_while_nobody_was_here_has_no_offset(tmp_path):
    made_again = replace(data_topic(), topic_id=b"the id of a copy")

    async def before(core, to):
        await commit(to)
        assert await committed(to) == 1

    run(before, tmp_path)

    async def after(core, to):
        assert await committed(to) == -1
        asking = FetchOffsets("a-group", [TopicPartitions(DATA, [0], made_again.topic_id)])
        assert [one.offset for one in (await to.call(asking)).offsets] == [-1]
        # Until then the old offset is there, and keeps its group.
        while (await to.list_groups(ListGroups())).groups:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    run(after, tmp_path, offsets_topic(), made_again, offsets_retention_check_ms=5)


def test_offsets_expire(tmp_path):
    async def test(_, to):
        await commit(to, retention_ms=0)
        await commit(to, group_id="later", retention_ms=2**50)
        await until_none_is_left(to)
        described = await to.call(DescribeGroup("later"))
        assert described.state == "Empty"

    run(test, tmp_path, offsets_retention_check_ms=5)


def test_the_offsets_of_a_group_with_members_stay(tmp_path):
    async def test(_, to):
        joined = await settled_alone(to)
        await to.call(committing(1, joined=joined))
        # Another group's going shows that it was looked.
        await commit(to, group_id="other", retention_ms=0)
        await until_none_is_left(to, "other")
        assert await committed(to) == 1

    run(test, tmp_path, offsets_retention_check_ms=5)


def test_a_bug_in_one_sweep_does_not_stop_the_next(tmp_path, monkeypatch, caplog):
    async def test(core, to):
        await commit(to)
        tell, failures = Shard.apply, [ZeroDivisionError(), ZeroDivisionError()]

        def fail_at_first(*given):
            if failures:
                raise failures.pop()
            tell(*given)

        monkeypatch.setattr(Shard, "apply", fail_at_first)
        core.apply(ClusterChange(2, CLUSTER_ID, topics_gone=[DATA_TOPIC_ID]))
        await until_none_is_left(to)

    run(test, tmp_path, offsets_retention_check_ms=5)
    assert "failed to delete expired offsets" in caplog.text
