import asyncio
from uuid import uuid4

import pytest

from common.cluster.view import ClusterView
from common.ports.classic_groups import GroupProtocol
from common.ports.group_errors import GroupClient, GroupRefusal
from common.ports.group_offsets import FetchOffsets
from common.ports.partitions import LogId
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
from tests.support.groups.groups import OFFSETS_TOPIC_ID, committing, joining, offsets_topic, parked
from tests.support.stores.partition_core import running_core

LOG = LogId(OFFSETS_TOPIC_ID, 0)
SETTINGS = GroupSettings(initial_rebalance_delay_ms=0)


class Kept:
    """A shard on a real core."""

    def __init__(self, core, settings=SETTINGS):
        self.core = core
        self.failures = []
        writer = CoordinatorWriter(
            core, LOG, 0, batch_bytes_max=lambda: 1 << 20, on_failed=self.failures.append
        )
        loop = asyncio.get_running_loop()
        self.shard = Shard(settings, ClusterView(), writer, now_ms=lambda: int(loop.time() * 1000))

    def join(self, member_id, group_id="g", **more):
        request = joining(member_id, group_id, needs_member_id=False, **more)

        def join(group, ticket, now_ms):
            return group.join(request, ticket, now_ms, f"{uuid4()}")

        return self.shard.execute(group_id, join)

    def commit(self, group_id, offset=1, **more):
        request = committing(offset, group_id, **more)
        return self.shard.execute(group_id, lambda group, *rest: group.commit(request, *rest))

    def fetch(self, group_id):
        request = FetchOffsets(group_id)
        return self.shard.execute(group_id, lambda group, *rest: group.fetch(request, *rest))


def run(test, folder, settings=SETTINGS):
    async def within_limits():
        async with asyncio.timeout(60), running_core(folder, offsets_topic()) as core:
            await test(Kept(core, settings))

    asyncio.run(within_limits())


def test_groups_come_with_what_they_keep_and_go_without_it(tmp_path):
    async def test(kept):
        assert not (await kept.fetch("nobody")).offsets
        assert kept.shard.group_ids == []
        await kept.commit("g")
        assert kept.shard.group_ids == ["g"]
        await kept.shard.execute("g", lambda group, *rest: group.delete(*rest))
        assert kept.shard.group_ids == []
        assert await load(kept.core, LOG) == {}

    run(test, tmp_path)


def test_it_goes_on_with_what_the_log_has(tmp_path):
    async def test(kept):
        await kept.commit("g", 7)
        other = Kept(kept.core)
        other.shard.restore(await load(kept.core, LOG))
        assert [one.offset for one in (await other.fetch("g")).offsets] == [7]

    run(test, tmp_path)


def test_an_answer_shows_nothing_that_is_not_durable(tmp_path):
    async def test(kept):
        commit = asyncio.ensure_future(kept.commit("g", 7))
        fetch = asyncio.ensure_future(kept.fetch("g"))
        await fetch
        assert commit.done() or (await load(kept.core, LOG))["g"].offsets

    run(test, tmp_path)


def test_closed_it_refuses_who_waits_and_who_comes(tmp_path):
    async def test(kept):
        await kept.join("")
        waiting = asyncio.ensure_future(kept.join(""))
        await parked([waiting])
        kept.shard.close(GroupRefusal.NOT_COORDINATOR)
        for call in (waiting, kept.fetch("g")):
            with pytest.raises(CoordinatorRefused) as raised:
                await call
            assert raised.value.refusal is GroupRefusal.NOT_COORDINATOR

    run(test, tmp_path)


def test_at_its_end_writes_are_answered(tmp_path):
    async def test(kept):
        commit = asyncio.ensure_future(kept.commit("g"))
        await asyncio.sleep(0)
        kept.shard.stop(GroupRefusal.NOT_COORDINATOR)
        assert (await commit).refusal is None
        await kept.shard.wait_idle()
        with pytest.raises(CoordinatorRefused):
            await kept.commit("g")

    run(test, tmp_path)


def test_time_passes_for_groups(tmp_path):
    settings = GroupSettings(initial_rebalance_delay_ms=30)

    async def test(kept):
        # Answered by the timer: nobody else comes.
        joined = await kept.join("")
        assert joined.generation_id == 1
        assert (await load(kept.core, LOG))["g"].stored.generation_id == 1

    run(test, tmp_path, settings)


def refusal_of(call):
    error = call.exception()
    assert isinstance(error, CoordinatorRefused)
    return error.refusal


TOO_LONG = {"group_instance_id": "x" * 40_000}
TOO_LARGE = {"protocols": [GroupProtocol("range", b"x" * (1 << 20))]}


@pytest.mark.parametrize("hostile", [TOO_LONG, TOO_LARGE], ids=["id", "record"])
def test_what_cannot_be_written_is_refused_alone_as_often_as_it_comes(tmp_path, hostile):
    async def test(kept):
        await kept.commit("g", 7)
        await kept.join("", "neighbour")
        neighbour = kept.join("", "neighbour")
        before = await load(kept.core, LOG)
        for _ in range(3):
            refused = kept.join("", "g", **hostile)
            assert refusal_of(refused) is GroupRefusal.UNKNOWN_SERVER_ERROR
        await parked([neighbour])
        assert kept.failures == []
        assert [one.offset for one in (await kept.fetch("g")).offsets] == [7]
        assert await load(kept.core, LOG) == before
        # The group goes on with members that can be written.
        assert (await kept.join("", "g")).generation_id == 1

    run(test, tmp_path)


def test_whatever_a_group_raises_it_is_again_what_its_log_says(tmp_path):
    async def test(kept):
        await kept.commit("g", 7)
        first = await kept.join("", "g")
        waiting = kept.join("", "g")
        await parked([waiting])

        def fail(group, *rest):
            group.commit(committing(9, "g"), *rest)
            group.delete(*rest)
            raise ZeroDivisionError

        assert refusal_of(kept.shard.execute("g", fail)) is GroupRefusal.UNKNOWN_SERVER_ERROR
        assert refusal_of(waiting) is GroupRefusal.REBALANCE_IN_PROGRESS
        assert [one.offset for one in (await kept.fetch("g")).offsets] == [7]
        (stored,) = (await load(kept.core, LOG))["g"].stored.members
        assert stored.member_id == first.member_id
        assert (await kept.join(first.member_id, "g")).generation_id == 2

    run(test, tmp_path)


def test_a_group_that_fails_keeps_its_timers(tmp_path):
    settings = GroupSettings(initial_rebalance_delay_ms=0, min_session_timeout_ms=1)

    async def test(kept):
        await kept.join("", "g", session_timeout_ms=60, rebalance_timeout_ms=1)

        def fail(group, now_ms):
            group.on_deadline(now_ms + 10**6)
            raise ZeroDivisionError

        kept.shard.apply("g", fail)
        # Its only member is not heard of again.
        (group,) = kept.shard.groups()
        while group.describe().members:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    run(test, tmp_path, settings)


def test_a_group_whose_members_cannot_be_restored_begins_without_them(tmp_path):
    async def test(kept):
        await kept.commit("g", 7)
        await kept.join("", "h")
        loaded = await load(kept.core, LOG)
        client = GroupClient("c", "/h")
        subscription = StoredSubscription(None, None, client, (), "(", 1000, None)
        for record in (
            EpochRecord("g", StoredEpoch(3)),
            SubscriptionRecord("g", "m", subscription),
        ):
            loaded["g"].add(record)
        other = Kept(kept.core)
        other.shard.restore(loaded)
        assert [one.offset for one in (await other.fetch("g")).offsets] == [7]
        assert (await other.join("", "g")).generation_id == 1
        assert not (await load(kept.core, LOG))["g"].consumer
        assert sorted(other.shard.group_ids) == ["g", "h"]

    run(test, tmp_path)
