import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from common.kv.rocks import RocksKvStore
from common.kv.store import KvStoreFailed, WriteBatch
from common.ports.metadata import Member, NewTopic, TopicRefusal
from common.ports.moves import MovePhase
from common.ports.unavailable import BackendUnavailable
from metadata_svc.core import LocalMetadata
from metadata_svc.moves.scheduler import RingPolicy
from metadata_svc.state import keys
from metadata_svc.topics.create import Defaults
from tests.contracts.metadata_contract import (
    BROKER_CONFIGS,
    DEFAULT_PARTITIONS,
    PARTITION_0,
    MetadataContract,
    following,
    gateway,
    until,
)
from tests.support.stores.memory_store import MemoryKvStore

LEASE_MS = 10_000


@asynccontextmanager
async def open_core(store=None, broker_configs=BROKER_CONFIGS, lease_ms=LEASE_MS, ring_policy=None):
    core = LocalMetadata(
        MemoryKvStore() if store is None else store,
        defaults=Defaults(DEFAULT_PARTITIONS, 1),
        lease_ms=lease_ms,
        ring_policy=ring_policy,
    )
    try:
        await core.open(broker_configs=broker_configs)
        yield core
    finally:
        await core.close()


class TestMetadataCore(MetadataContract):
    def opened(self):
        return open_core()


def run(body):
    async def bounded():
        async with asyncio.timeout(60):
            await body()

    asyncio.run(bounded())


def test_everything_except_gateways_survives_a_restart(tmp_path):
    async def body():
        async with (
            open_core(RocksKvStore(tmp_path)) as core,
            following(core, PARTITION_0),
            following(core, gateway(0)) as view,
        ):
            topics = [NewTopic(name, 2, configs={"retention.ms": "5"}) for name in ("a", "b")]
            await core.create_topics(topics, timeout_ms=30_000)
            await core.delete_topics(["a"], timeout_ms=30_000)
            block = await core.allocate_producer_ids()
            before = view.snapshot()
        async with open_core(RocksKvStore(tmp_path), {"log.retention.ms": "7"}) as core:
            after = core.view.snapshot()
            assert after.cluster_id == before.cluster_id
            assert after.revision >= before.revision
            assert (after.topics, after.members) == (before.topics, before.members)
            assert after.gateways == ()
            assert after.broker_configs == {"log.retention.ms": "7"}
            next_block = await core.allocate_producer_ids()
            assert next_block.first >= block.first + block.count

    run(body)


@asynccontextmanager
async def reopen_after_a_crash(watchers, **options):
    """Opens a core on the store of one that was killed while it had these watchers."""
    store = MemoryKvStore()
    async with AsyncExitStack() as stack:
        core = await stack.enter_async_context(open_core(store))
        for registration in watchers:
            await stack.enter_async_context(following(core, registration))
        copy = MemoryKvStore()
        batch = WriteBatch()
        for key, value in store.scan(b"", b"\xff"):
            batch.put(key, value)
        copy.write(batch, sync=True)
    async with open_core(copy, **options) as core:
        yield core


def test_after_a_crash_a_topic_is_created_when_all_live_processes_are_back():
    async def body():
        async with reopen_after_a_crash([PARTITION_0, gateway(0)]) as core:
            creating = asyncio.create_task(core.create_topics([NewTopic("t")], timeout_ms=30_000))
            async with following(core, PARTITION_0) as owner:
                # A creation that does not wait would run while this gateway comes and goes.
                async with following(core, gateway(7)):
                    pass
                assert owner.topic("t") is None
                async with following(core, gateway(0)) as view:
                    assert (await creating)[0].refusal is None
                    assert view.topic("t") is not None

    run(body)


def test_a_creation_after_a_crash_waits_for_members_at_most_a_lease():
    async def body():
        async with (
            reopen_after_a_crash([PARTITION_0, gateway(0)], lease_ms=1) as core,
            following(core, PARTITION_0),
        ):
            [result] = await core.create_topics([NewTopic("t")], timeout_ms=30_000)
            assert result.refusal is None
            [result] = await core.delete_topics(["t"], timeout_ms=30_000)
            assert result.refusal is None

    run(body)


def test_a_topic_waits_for_an_operator_to_add_a_member():
    async def body():
        policy = RingPolicy(joins=False)
        async with open_core(ring_policy=policy) as core, following(core, PARTITION_0):
            [result] = await core.create_topics([NewTopic("t")], timeout_ms=1)
            assert result.refusal is TopicRefusal.NO_OWNER
            creating = asyncio.create_task(core.create_topics([NewTopic("t")], timeout_ms=30_000))
            assert (await core.ring.add_member("partition-0")).refusal is None
            [result] = await creating
            assert result.refusal is None

    run(body)


def test_a_move_continues_after_a_restart(tmp_path):
    async def body():
        second = Member("partition-1", "b:1")
        async with (
            open_core(RocksKvStore(tmp_path)) as core,
            following(core, PARTITION_0),
        ):
            await core.create_topics([NewTopic("t", 2)], timeout_ms=30_000)
            async with following(core, second):
                await until(lambda: core.view.moves)
                [move] = core.view.moves
                await core.ring.advance_move(move.move_id, MovePhase.FENCE)
                before = core.view.moves
                # The core stops while its members are registered, so they are expected back.
                core.end_watches()
        async with (
            open_core(RocksKvStore(tmp_path)) as core,
            following(core, PARTITION_0),
            following(core, second) as view,
        ):
            assert view.moves == before
            committed = await core.ring.advance_move(move.move_id, MovePhase.COMMIT)
            assert committed.phase is MovePhase.COMMIT
        async with open_core(RocksKvStore(tmp_path)) as core:
            placement = core.view.placement(move.topic_id, move.partition)
            assert placement == ("partition-1", 1)

    run(body)


def test_after_closing_every_call_is_unavailable_and_every_watch_has_ended():
    async def body():
        async with open_core() as core:
            watch = core.watch(gateway(0))
            await anext(watch)
        with pytest.raises(BackendUnavailable, match="stopping"):
            await anext(watch)
        await watch.close()
        for call in (
            core.create_topics([NewTopic("t")], timeout_ms=0),
            core.delete_topics(["t"], timeout_ms=0),
            core.allocate_producer_ids(),
            anext(core.watch(gateway(0))),
        ):
            with pytest.raises(BackendUnavailable):
                await call

    run(body)


def test_a_store_of_another_release_is_refused_before_anything_is_served():
    async def body():
        store = MemoryKvStore()
        batch = WriteBatch()
        batch.put(keys.FORMAT_KEY, b"99")
        store.write(batch, sync=True)
        with pytest.raises(KvStoreFailed, match="format 99"):
            async with open_core(store):
                pass

    run(body)
