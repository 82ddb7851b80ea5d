import asyncio
from uuid import uuid4

import pytest

from common.cluster.view import ClusterView
from common.ports.classic_groups import GroupProtocol
from common.ports.group_errors import GroupClient, GroupRefusal
from common.ports.group_offsets import FetchOffsets
from common.ports.partitions import LogId
from partition_svc.coordinator.group.group import Group
from partition_svc.coordinator.records.stored_consumer import (
    EpochRecord,
    StoredEpoch,
    StoredSubscription,
    SubscriptionRecord,
)
from partition_svc.coordinator.runtime.loader import load
from partition_svc.coordinator.runtime.shard import Shard
from partition_svc.coordinator.runtime.writer import CoordinatorRefused, CoordinatorWriter
from partition_svc.coordinator.settings import GroupSettings
from tests.support.groups.groups import (
    OFFSETS_TOPIC_ID,
    commit_request,
    join_request,
    offsets_topic,
    wait_until_parked,
)
from tests.support.stores.partition_core import running_core

LOG = LogId(OFFSETS_TOPIC_ID, 0)
SETTINGS = GroupSettings(initial_rebalance_delay_ms=0)


class ShardFixture:
    """A shard on a real core."""

    def __init__(self, core, settings=SETTINGS):
        self.core = core
        self.failures = []
        writer = CoordinatorWriter(
            core, LOG, 0, batch_bytes_max=lambda: 1 << 20, on_failed=self.failures.append
        )
        loop = asyncio.get_running_loop()
        self.shard = Shard(
            lambda group_id: Group(group_id, settings, ClusterView()),
            writer,
            now_ms=lambda: int(loop.time() * 1000),
        )

    def join(self, member_id, group_id="g", **fields):
        request = join_request(member_id, group_id, needs_member_id=False, **fields)

        def join(group, ticket, now_ms):
            return group.join(request, ticket, now_ms, f"{uuid4()}")

        return self.shard.execute(group_id, join)

    def commit(self, group_id, offset=1, **fields):
        request = commit_request(offset, group_id, **fields)
        return self.shard.execute(group_id, lambda group, *rest: group.commit(request, *rest))

    def fetch(self, group_id):
        request = FetchOffsets(group_id)
        return self.shard.execute(group_id, lambda group, *rest: group.fetch(request, *rest))


def run(test, folder, settings=SETTINGS):
    async def within_limits():
        async with asyncio.timeout(60), running_core(folder, offsets_topic()) as core:
            await test(ShardFixture(core, settings))

    asyncio.run(within_limits())


def test_group_exists_only_while_it_has_stored_state(tmp_path):
    async def test(fixture):
        assert not (await fixture.fetch("unknown")).offsets
        assert fixture.shard.group_ids == []
        await fixture.commit("g")
        assert fixture.shard.group_ids == ["g"]
        await fixture.shard.execute("g", lambda group, *rest: group.delete(*rest))
        assert fixture.shard.group_ids == []
        assert await load(fixture.core, LOG) == {}

    run(test, tmp_path)


def test_restored_shard_has_the_offsets_of_the_log(tmp_path):
    async def test(fixture):
        await fixture.commit("g", 7)
        other = ShardFixture(fixture.core)
        other.shard.restore(await load(fixture.core, LOG))
        assert [offset.offset for offset in (await other.fetch("g")).offsets] == [7]

    run(test, tmp_path)


def test_fetch_returns_only_durable_offsets(tmp_path):
    async def test(fixture):
        commit = asyncio.ensure_future(fixture.commit("g", 7))
        fetch = asyncio.ensure_future(fixture.fetch("g"))
        await fetch
        assert commit.done() or (await load(fixture.core, LOG))["g"].offsets

    run(test, tmp_path)


def test_closed_shard_refuses_pending_and_new_calls(tmp_path):
    async def test(fixture):
        await fixture.join("")
        pending = asyncio.ensure_future(fixture.join(""))
        await wait_until_parked([pending])
        fixture.shard.close(GroupRefusal.NOT_COORDINATOR)
        for call in (pending, fixture.fetch("g")):
            with pytest.raises(CoordinatorRefused) as raised:
                await call
            assert raised.value.refusal is GroupRefusal.NOT_COORDINATOR

    run(test, tmp_path)


def test_stopped_shard_completes_writes_in_flight(tmp_path):
    async def test(fixture):
        commit = asyncio.ensure_future(fixture.commit("g"))
        await asyncio.sleep(0)
        fixture.shard.stop(GroupRefusal.NOT_COORDINATOR)
        assert (await commit).refusal is None
        await fixture.shard.wait_idle()
        with pytest.raises(CoordinatorRefused):
            await fixture.commit("g")

    run(test, tmp_path)


def test_group_is_called_at_its_deadline(tmp_path):
    settings = GroupSettings(initial_rebalance_delay_ms=30)

    async def test(fixture):
        # The timer completes the join phase: no other member joins.
        joined = await fixture.join("")
        assert joined.generation_id == 1
        assert (await load(fixture.core, LOG))["g"].stored.generation_id == 1

    run(test, tmp_path, settings)


def refusal_of(call):
    error = call.exception()
    assert isinstance(error, CoordinatorRefused)
    return error.refusal


LONG_INSTANCE_ID = {"group_instance_id": "x" * 40_000}
LARGE_PROTOCOL = {"protocols": [GroupProtocol("range", b"x" * (1 << 20))]}


@pytest.mark.parametrize("fields", [LONG_INSTANCE_ID, LARGE_PROTOCOL], ids=["id", "record"])
def test_call_that_cannot_be_written_is_refused_alone_each_time(tmp_path, fields):
    async def test(fixture):
        await fixture.commit("g", 7)
        await fixture.join("", "neighbour")
        neighbour = fixture.join("", "neighbour")
        before = await load(fixture.core, LOG)
        for _ in range(3):
            refused = fixture.join("", "g", **fields)
            assert refusal_of(refused) is GroupRefusal.UNKNOWN_SERVER_ERROR
        await wait_until_parked([neighbour])
        assert fixture.failures == []
        assert [offset.offset for offset in (await fixture.fetch("g")).offsets] == [7]
        assert await load(fixture.core, LOG) == before
        # The group still accepts members that can be written.
        assert (await fixture.join("", "g")).generation_id == 1

    run(test, tmp_path)


def test_group_that_raises_returns_to_the_state_of_its_log(tmp_path):
    async def test(fixture):
        await fixture.commit("g", 7)
        first = await fixture.join("", "g")
        pending = fixture.join("", "g")
        await wait_until_parked([pending])

        def fail(group, *rest):
            group.commit(commit_request(9, "g"), *rest)
            group.delete(*rest)
            raise ZeroDivisionError

        assert refusal_of(fixture.shard.execute("g", fail)) is GroupRefusal.UNKNOWN_SERVER_ERROR
        assert refusal_of(pending) is GroupRefusal.REBALANCE_IN_PROGRESS
        assert [offset.offset for offset in (await fixture.fetch("g")).offsets] == [7]
        (stored,) = (await load(fixture.core, LOG))["g"].stored.members
        assert stored.member_id == first.member_id
        assert (await fixture.join(first.member_id, "g")).generation_id == 2

    run(test, tmp_path)


def test_group_that_raises_keeps_its_deadlines(tmp_path):
    settings = GroupSettings(initial_rebalance_delay_ms=0, min_session_timeout_ms=1)

    async def test(fixture):
        await fixture.join("", "g", session_timeout_ms=60, rebalance_timeout_ms=1)

        def fail(group, now_ms):
            group.on_deadline(now_ms + 10**6)
            raise ZeroDivisionError

        fixture.shard.apply("g", fail)
        # The session of its only member expires.
        (group,) = fixture.shard.groups()
        while group.describe().members:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    run(test, tmp_path, settings)


def test_group_with_malformed_members_is_restored_without_them(tmp_path):
    async def test(fixture):
        await fixture.commit("g", 7)
        await fixture.join("", "h")
        loaded = await load(fixture.core, LOG)
        client = GroupClient("c", "/h")
        subscription = StoredSubscription(None, None, client, (), "(", 1000, None)
        for record in (
            EpochRecord("g", StoredEpoch(3)),
            SubscriptionRecord("g", "m", subscription),
        ):
            loaded["g"].add(record)
        other = ShardFixture(fixture.core)
        other.shard.restore(loaded)
        assert [offset.offset for offset in (await other.fetch("g")).offsets] == [7]
        assert (await other.join("", "g")).generation_id == 1
        assert not (await load(fixture.core, LOG))["g"].consumer
        assert sorted(other.shard.group_ids) == ["g", "h"]

    run(test, tmp_path)
