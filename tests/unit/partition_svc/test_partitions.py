import asyncio

import pytest

from common.ports.metadata import ClusterChange
from common.ports.partitions import ACKS_ALL, LATEST_TIMESTAMP, Append, OffsetQuery, Refusal
from common.ports.unavailable import BackendUnavailable
from partition_svc.config import PartitionSettings
from partition_svc.partitions import LocalPartitions
from partition_svc.store.failures import WrongCluster
from partition_svc.store.log_store import LogStore
from tests.contracts.partitions_contract import PartitionsContract
from tests.support.stores.partition_core import (
    LOG,
    append,
    batch,
    fetch,
    query,
    read_everything,
    running_core,
    snapshot,
    topic,
)

_WITHIN_S = 60


class TestPartitionCore(PartitionsContract):
    def opened(self, folder, *topics):
        return running_core(folder, *topics)


def run(test):
    async def within_limits():
        async with asyncio.timeout(_WITHIN_S):
            await test()

    asyncio.run(within_limits())


def test_snapshot_of_another_cluster_is_refused(tmp_path):
    async def test():
        async with running_core(tmp_path) as core:
            await append(core, batch())
            with pytest.raises(WrongCluster):
                core.apply(snapshot(cluster_id="another"))
            assert len(await read_everything(core)) == 1

    run(test)


def test_internal_topics_refuse_all_appends_of_clients(tmp_path):
    async def test():
        async with running_core(tmp_path, topic(is_internal=True)) as core:
            results = await append(core, batch(), batch()[:-1])
            future, position = core.append_one(LOG, batch(), 0, acks=ACKS_ALL)
            results.append((await future)[position])
            assert [result.refusal for result in results] == [Refusal.INVALID_TOPIC_EXCEPTION] * 3
            assert await read_everything(core) == []

    run(test)


@pytest.mark.parametrize("configs", [{}, {"cleanup.policy": "compact"}], ids=["plain", "compact"])
def test_a_coordinator_of_this_process_appends_to_internal_topics(tmp_path, configs):
    async def test():
        async with running_core(tmp_path, topic(is_internal=True, configs=configs)) as core:
            sent = Append(LOG, batch(), by_coordinator=True)
            (result,) = await core.append([sent], acks=ACKS_ALL)
            assert result.refusal is None
            assert len(await read_everything(core)) == 1

    run(test)


def test_a_deleted_topic_is_unknown_at_once_and_its_fetches_end(tmp_path):
    async def test():
        async with running_core(tmp_path) as core:
            waiting = asyncio.ensure_future(core.fetch(query((LOG, 0), max_wait_ms=50_000)))
            await fetch(core)
            core.apply(ClusterChange(2, "cluster-of-tests", deleted_topics=[topic().topic_id]))
            assert (await waiting)[0].refusal is Refusal.UNKNOWN_TOPIC_OR_PARTITION
            (result,) = await append(core, batch())
            assert result.refusal is Refusal.UNKNOWN_TOPIC_OR_PARTITION

    run(test)


def test_append_in_flight_is_refused_when_its_topic_is_deleted(tmp_path):
    async def test():
        async with running_core(tmp_path) as core:
            reply = core.append([Append(LOG, batch())], acks=ACKS_ALL)
            core.apply(ClusterChange(2, "cluster-of-tests", deleted_topics=[topic().topic_id]))
            assert [result.refusal for result in await reply] == [
                Refusal.UNKNOWN_TOPIC_OR_PARTITION
            ]

    run(test)


def test_drain_completes_calls_in_flight_and_refuses_new_ones(tmp_path):
    async def test():
        async with running_core(tmp_path) as core:
            reply = core.append([Append(LOG, batch())], acks=ACKS_ALL)
            waiting = asyncio.ensure_future(core.fetch(query((LOG, 1), max_wait_ms=50_000)))
            await fetch(core)
            await core.drain()
            assert (await reply)[0].base_offset == 0
            assert (await waiting)[0].records == []
            with pytest.raises(BackendUnavailable):
                await append(core, batch())

    run(test)


def test_a_cancelled_until_broken_does_not_stop_the_logs(tmp_path):
    async def test():
        async with running_core(tmp_path) as core:
            watching = asyncio.create_task(core.until_broken())
            await append(core, batch())
            watching.cancel()
            await asyncio.wait([watching])
            (result,) = await append(core, batch())
            assert result.base_offset == 1

    run(test)


def test_logs_continue_after_a_restart(tmp_path):
    async def before():
        async with running_core(tmp_path) as core:
            await append(core, batch(3, producer=(1, 0, 0)))

    async def after():
        async with running_core(tmp_path) as core:
            duplicate, next_result = await append(
                core, batch(3, producer=(1, 0, 0)), batch(2, producer=(1, 0, 3))
            )
            assert (duplicate.base_offset, next_result.base_offset) == (0, 3)
            (latest,) = await core.list_offsets([OffsetQuery(LOG, LATEST_TIMESTAMP)])
            assert latest.offset == 5

    run(before)
    run(after)


def test_acks_all_does_not_sync_with_durability_os(tmp_path, monkeypatch):
    syncs = []
    monkeypatch.setattr("partition_svc.store.log_store.LogStore.sync", lambda _: syncs.append(1))

    async def test(durability, expected):
        async with running_core(tmp_path / durability, acks_all_durability=durability) as core:
            syncs.clear()
            await append(core, batch())
            assert len(syncs) == expected

    run(lambda: test("os", 0))
    run(lambda: test("sync", 1))


def test_a_bug_in_a_background_task_is_raised_and_does_not_hang_the_close(tmp_path, monkeypatch):
    def bug(*_):
        raise ZeroDivisionError("a bug")

    async def test():
        async with running_core(tmp_path) as core:
            monkeypatch.setattr(core._store, "write", bug)
            core.append([Append(LOG, batch())], acks=ACKS_ALL)
            with pytest.raises(ZeroDivisionError):
                await core.until_broken()

    run(test)


def test_logs_without_a_cluster_can_be_closed(tmp_path):
    async def test():
        core = LocalPartitions(LogStore(tmp_path), PartitionSettings())
        await core.close()
        LogStore(tmp_path).close()

    run(test)
