import asyncio
from dataclasses import replace

import pytest

from common.ports.metadata import ClusterChange, Placement, PlacementChange
from common.ports.partitions import Append, LogId
from partition_svc.log import maintenance
from partition_svc.store.failures import StorageFailed
from tests.support.stores.log_stores import batch_files
from tests.support.stores.partition_core import (
    CLUSTER_ID,
    LOG,
    MEMBER,
    TOPIC_ID,
    append,
    batch,
    read_everything,
    running_core,
    snapshot,
    topic,
    until,
)

OTHER_TOPIC_ID = b"another of 16 by"
OTHER_LOG = LogId(OTHER_TOPIC_ID, 0)
DELETED = ClusterChange(2, CLUSTER_ID, deleted_topics=[TOPIC_ID])


def run(test):
    async def within_limits():
        async with asyncio.timeout(60):
            await test()

    asyncio.run(within_limits())


def heads(core):
    return dict(core._store.reader.heads())


def test_the_data_of_a_deleted_topic_is_deleted_and_its_space_freed(tmp_path):
    async def test():
        async with running_core(
            tmp_path, topic(), topic(OTHER_TOPIC_ID), flush_bytes=1 << 20
        ) as core:
            for _ in range(5):
                await append(core, batch(size=900_000))
                await append(core, batch(size=1000), log=OTHER_LOG)
            await until(lambda: size_of_files(core) > 2_000_000)
            core.apply(DELETED)
            await until(lambda: size_of_files(core) < 200_000)
            assert len(heads(core)) == 1
            assert len(await read_everything(core, OTHER_LOG)) == 5

    run(test)


def size_of_files(core):
    return sum(file["size"] for file in batch_files(core._store))


def test_topic_deleted_while_the_member_was_down_is_deleted_at_the_next_start(tmp_path):
    async def test():
        async with running_core(tmp_path, topic(), topic(OTHER_TOPIC_ID)) as core:
            await append(core, batch())
            await append(core, batch(), log=OTHER_LOG)
        async with running_core(tmp_path, topic(OTHER_TOPIC_ID)) as core:
            core.apply(
                replace(snapshot(topic(OTHER_TOPIC_ID), revision=2), deleted_topics=[TOPIC_ID])
            )
            await until(lambda: len(heads(core)) == 1)
            assert len(await read_everything(core, OTHER_LOG)) == 1

    run(test)


def test_a_log_that_the_metadata_service_does_not_know_is_kept_and_reported(tmp_path, caplog):
    """The state after metadata was restored from a backup older than the topic."""

    async def test():
        async with running_core(tmp_path, topic(), topic(OTHER_TOPIC_ID)) as core:
            await append(core, batch())
            await append(core, batch(), log=OTHER_LOG)
        async with running_core(tmp_path, topic(OTHER_TOPIC_ID)) as core:
            await until(lambda: "1 stray logs" in caplog.text)
            # Deletions continue meanwhile.
            core.apply(ClusterChange(2, CLUSTER_ID, deleted_topics=[OTHER_TOPIC_ID]))
            await until(lambda: len(heads(core)) == 1)
        # A log that the metadata service knows again has its records.
        async with running_core(tmp_path) as core:
            assert len(await read_everything(core)) == 1

    run(test)


def test_stray_logs_are_deleted_after_the_delay_that_an_operator_has_set(tmp_path):
    async def test():
        async with running_core(tmp_path, topic(), topic(OTHER_TOPIC_ID)) as core:
            await append(core, batch())
        settings = {"stray_delete_delay_ms": 50}
        async with running_core(tmp_path, topic(OTHER_TOPIC_ID), **settings) as core:
            await until(lambda: not heads(core))

    run(test)


def test_appends_continue_while_many_logs_are_deleted(tmp_path):
    async def test():
        partitions = 200
        async with running_core(
            tmp_path, topic(partitions=partitions), topic(OTHER_TOPIC_ID)
        ) as core:
            for partition in range(partitions):
                await append(core, batch(), log=LogId(TOPIC_ID, partition), acks=1)
            core.apply(DELETED)
            for number in range(20):
                (result,) = await append(core, batch(), log=OTHER_LOG)
                assert result.base_offset == number
            await until(lambda: len(heads(core)) == 1)

    run(test)


def test_log_that_moves_here_during_deletions_is_kept(tmp_path):
    async def test():
        partitions = 60  # more than one write deletes
        settings = {"stray_delete_delay_ms": 0}
        async with running_core(tmp_path, topic(partitions=partitions), **settings) as core:
            for partition in range(partitions):
                await append(core, batch(), log=LogId(TOPIC_ID, partition), acks=1)
            # The partition moves back during the first write that deletes.
            last_log = LogId(TOPIC_ID, partitions - 1)
            move_back = PlacementChange(*last_log, Placement(MEMBER, 10))
            delete_logs = core._store.delete_logs

            def delete_and_move_back(keys):
                delete_logs(keys)
                core.apply(ClusterChange(3, CLUSTER_ID, placements=[move_back]))

            core._store.delete_logs = delete_and_move_back
            core.apply(snapshot(topic(partitions=partitions, owner="another", leader_epoch=9)))
            await until(lambda: len(heads(core)) == 1)
            assert len(await read_everything(core, last_log)) == 1

    run(test)


def test_deleting_ten_thousand_logs_takes_few_writes_and_lets_appends_between_them(tmp_path):
    async def test():
        partitions = 10_000
        topics = topic(partitions=partitions), topic(OTHER_TOPIC_ID)
        async with running_core(tmp_path, *topics) as core:
            log_ids = [LogId(TOPIC_ID, number) for number in range(partitions)]
            await core.append([Append(log_id, batch()) for log_id in log_ids], acks=1)
            events, rolls = record_deletions(core), record_rolls(core)
            core.apply(DELETED)
            while sum(event for event in events if event != "append") < partitions:
                (result,) = await append(core, batch(), log=OTHER_LOG)
                assert result.base_offset == events.count("append")
                events.append("append")
            # Holds on a slow machine too: a waiting append is part of the next commit batch.
            runs = "".join("a" if event == "append" else "d" for event in events)
            assert "dddd" not in runs
            assert runs.strip("a").count("a") > 50, runs
            await until(lambda: size_of_files(core) < 1_000_000)
            assert len(rolls) <= 3
            assert len(await read_everything(core, OTHER_LOG)) == events.count("append")

    run(test)


def record_deletions(core):
    """Returns a list to which each write that deletes logs adds their number."""
    events = []
    delete_logs = core._store.delete_logs

    def record(keys):
        delete_logs(keys)
        events.append(len(keys))

    core._store.delete_logs = record
    return events


def record_rolls(core):
    """Returns a list to which each end of a generation adds its number."""
    rolls = []
    roll = core._store.roll

    def record(**options):
        rolls.append(core._store.generation)
        roll(**options)

    core._store.roll = record
    return rolls


def test_space_of_logs_that_an_earlier_process_deleted_is_reclaimed_at_the_start(tmp_path):
    async def test():
        two_topics = (topic(), topic(OTHER_TOPIC_ID))
        async with running_core(tmp_path, *two_topics, flush_bytes=1 << 20) as core:
            for _ in range(3):
                await append(core, batch(size=900_000))
                await append(core, batch(size=1000), log=OTHER_LOG)
            core._store.end_generation()
            # As if the process was killed between deletion and reclaiming.
            core._background.maintenance.reclaim_soon = lambda: None
            core.apply(DELETED)
            await until(lambda: len(heads(core)) == 1)
            # Flushes end in a thread of RocksDB.
            await until(lambda: size_of_files(core) > 1_500_000)
        async with running_core(tmp_path, topic(OTHER_TOPIC_ID), flush_bytes=1 << 20) as core:
            await until(lambda: size_of_files(core) < 100_000)
            assert len(await read_everything(core, OTHER_LOG)) == 3

    run(test)


@pytest.mark.parametrize("failures", [1, 2, 5])
def test_reclaiming_is_retried_after_a_failure(tmp_path, monkeypatch, failures):
    monkeypatch.setattr(maintenance, "_RETRY_S", 0.01)

    async def test():
        async with running_core(
            tmp_path, topic(), topic(OTHER_TOPIC_ID), flush_bytes=1 << 20
        ) as core:
            for _ in range(3):
                await append(core, batch(size=900_000))
                await append(core, batch(size=1000), log=OTHER_LOG)
            await until(lambda: size_of_files(core) > 1_500_000)
            reclaimer, failed = core._store.reclaimer, []
            rewrite = reclaimer.rewrite

            def fail_first_rewrites(generations):
                if len(failed) < failures:
                    failed.append(generations)
                    raise StorageFailed("no room")
                rewrite(generations)

            monkeypatch.setattr(reclaimer, "rewrite", fail_first_rewrites)
            core.apply(DELETED)
            await until(lambda: len(failed) == failures)
            # RocksDB may rewrite the files by itself; deleted logs are recorded until we have.
            await until(lambda: not any(core._store.reader.rows(b"D", b"E")))
            assert size_of_files(core) < 100_000
            assert len(await read_everything(core, OTHER_LOG)) == 3

    run(test)


def test_maintenance_continues_after_a_storage_failure(tmp_path, monkeypatch):
    async def test():
        settings = {"producer_expiration_ms": 1, "producer_expiration_check_ms": 1}
        async with running_core(tmp_path, **settings) as core:
            write = core._store.write

            def write_appends_only(atomic_write, size_bytes):
                if not size_bytes:
                    raise StorageFailed("broken")
                write(atomic_write, size_bytes)

            log = core._registry.find(LOG)
            with monkeypatch.context() as patch:
                patch.setattr(core._store, "write", write_appends_only)
                await append(core, batch(producer=(1, 0, 0)))
                await until(lambda: core._committer.failure is not None)
            await until(lambda: core._committer.failure is None)
            # The next pass deletes the producers that this one could not.
            await until(lambda: not list(core._store.reader.producers(log.key)))

    run(test)


def test_silent_producers_expire(tmp_path):
    async def test():
        settings = {"producer_expiration_ms": 1, "producer_expiration_check_ms": 1}
        async with running_core(tmp_path, **settings) as core:
            await append(core, batch(producer=(1, 0, 0)))
            log = core._registry.find(LOG)
            await until(lambda: not list(core._store.reader.producers(log.key)))
            (described,) = await core.describe_logs([LOG])
            assert described.producer_count == 0

    run(test)
