import asyncio
import threading
from time import monotonic

import pytest

from common.ports.partitions import ACKS_ALL, ACKS_LEADER, Append, LogId, Refusal
from partition_svc.store.failures import StorageFailed
from tests.support.stores.failing_stores import Syncs, fail
from tests.support.stores.partition_core import (
    LOG,
    TOPIC_ID,
    append,
    append_separately,
    batch,
    fetch,
    read_everything,
    until,
)

OTHER_LOG = LogId(TOPIC_ID, 1)


def test_acks_all_waits_for_the_sync_and_acks_1_does_not(run):
    async def test(core, monkeypatch):
        syncs = Syncs(core._store, monkeypatch)
        synced = core.append([Append(LOG, batch())], acks=ACKS_ALL)
        written = core.append([Append(OTHER_LOG, batch())], acks=ACKS_LEADER)
        assert (await written)[0].refusal is None
        assert (await fetch(core, log=OTHER_LOG)).high_watermark == 1
        assert not synced.done()
        assert (await fetch(core)).high_watermark == 0
        syncs.release()
        assert (await synced)[0].base_offset == 0
        assert (await fetch(core)).high_watermark == 1

    run(test)


def test_consumers_see_nothing_after_a_batch_that_is_not_synced(run):
    async def test(core, monkeypatch):
        syncs = Syncs(core._store, monkeypatch)
        replies = [
            core.append([Append(LOG, batch())], acks=acks)
            for acks in (ACKS_LEADER, ACKS_ALL, ACKS_LEADER)
        ]
        assert [(await replies[index])[0].base_offset for index in (0, 2)] == [0, 2]
        assert (await fetch(core)).high_watermark == 1
        syncs.release()
        await replies[1]
        assert (await fetch(core)).high_watermark == 3

    run(test)


def test_batches_submitted_during_a_sync_share_the_next_one(run):
    async def test(core, monkeypatch):
        syncs = Syncs(core._store, monkeypatch)
        first = core.append([Append(LOG, batch())], acks=ACKS_ALL)
        await until(lambda: syncs.count == 1)
        rest = [core.append([Append(log, batch())], acks=ACKS_ALL) for log in (LOG, OTHER_LOG) * 50]
        await asyncio.sleep(0)
        # Nothing is written while a sync is in flight.
        assert core._store.head(core._registry.find(OTHER_LOG).key).next_offset == 0
        syncs.release()
        await asyncio.gather(first, *rest)
        assert syncs.count == 2

    run(test)


def test_reply_to_a_duplicate_waits_until_its_original_is_stored(run):
    async def test(core, monkeypatch):
        syncs = Syncs(core._store, monkeypatch)
        sent = batch(producer=(1, 0, 0))
        original = core.append([Append(LOG, sent)], acks=ACKS_ALL)
        await until(lambda: syncs.count == 1)
        duplicate = core.append([Append(LOG, sent)], acks=ACKS_LEADER)
        await fetch(core)
        assert not duplicate.done()
        syncs.release()
        assert (await original)[0] == (await duplicate)[0]

    run(test)


def test_a_duplicate_with_acks_all_is_synced_without_a_write(run):
    async def test(core, monkeypatch):
        sent = batch(producer=(1, 0, 0))
        await append(core, sent, acks=ACKS_LEADER)
        syncs = Syncs(core._store, monkeypatch)
        syncs.release()
        await append(core, sent, acks=ACKS_ALL)
        assert syncs.count == 1

    run(test)


def test_many_queued_bytes_are_written_in_several_commits(run):
    async def test(core, monkeypatch):
        sizes = []
        apply = core._store.apply
        # Every commit ends with it, also one that is written in the disk thread.
        monkeypatch.setattr(
            core._store, "apply", lambda changes, size: (sizes.append(size), apply(changes, size))
        )
        await append_separately(core, [batch(size=500_000) for _ in range(40)])
        assert len(sizes) > 3
        assert max(sizes) < 5 << 20
        assert len(await read_everything(core)) == 40

    run(test)


def test_a_full_generation_ends_between_commits(run):
    async def test(core, _):
        for _ in range(4):
            await append(core, *(batch(size=120_000) for _ in range(10)))
        assert core._store.generation >= 3
        assert len(await read_everything(core)) == 40

    run(test, flush_bytes=1 << 20)


def test_a_write_waits_while_flushes_are_behind(run):
    async def test(core, monkeypatch):
        behind = iter([True, True, False])
        polled = []
        monkeypatch.setattr(
            type(core._store),
            "is_behind",
            property(lambda _: polled.append(1) or next(behind)),
        )
        await append(core, batch(size=900_000), batch(size=200_000))
        await append(core, batch())
        assert len(polled) == 3

    run(test, flush_bytes=1 << 20)


def test_exclusive_tasks_run_between_commits_one_at_a_time(run):
    async def test(core, _):
        ran = []
        tasks = [core._committer.run_exclusive(lambda n=n: ran.append(n)) for n in range(5)]
        await append(core, batch())
        await asyncio.gather(*tasks)
        assert ran == [0, 1, 2, 3, 4]

    run(test)


def test_exclusive_task_with_must_sync_is_done_after_the_sync(run):
    async def test(core, monkeypatch):
        syncs = Syncs(core._store, monkeypatch)
        ran = []
        task = core._committer.run_exclusive(lambda: ran.append(syncs.count), must_sync=True)
        await until(lambda: syncs.count == 1)
        assert (ran, task.done()) == ([0], False)
        syncs.release()
        await task

    run(test)


def test_flush_waits_until_staged_batches_are_written(run):
    async def test(core, monkeypatch):
        syncs = Syncs(core._store, monkeypatch)
        before = core.append([Append(OTHER_LOG, batch())], acks=ACKS_ALL)
        await until(lambda: syncs.count == 1)
        log = core._registry.find(LOG)
        replies = [core.append([Append(LOG, batch())], acks=ACKS_LEADER) for _ in range(3)]
        flushing = asyncio.ensure_future(core._committer.flush(log))
        await asyncio.sleep(0)
        assert not flushing.done()
        syncs.release()
        await flushing
        assert log.head.next_offset == 3
        assert all(reply.done() for reply in (*replies, before))

    run(test)


def test_flush_raises_if_the_log_cannot_be_written(run):
    async def test(core, monkeypatch):
        monkeypatch.setattr(core._store, "write", fail)
        monkeypatch.setattr(core._store, "recover", fail)
        log = core._registry.find(LOG)
        core.append([Append(LOG, batch())], acks=ACKS_LEADER)
        with pytest.raises(StorageFailed):
            await core._committer.flush(log)
        with pytest.raises(StorageFailed):
            await core._committer.flush(log)

    run(test)


def test_a_failure_refuses_all_queued_appends(run):
    async def test(core, monkeypatch):
        syncs = Syncs(core._store, monkeypatch)
        first = core.append([Append(LOG, batch())], acks=ACKS_ALL)
        await until(lambda: syncs.count == 1)
        second = core.append([Append(OTHER_LOG, batch())], acks=ACKS_LEADER)
        monkeypatch.setattr(core._store, "write", fail)
        monkeypatch.setattr(core._store, "recover", fail)
        syncs.release()
        assert (await first)[0].refusal is None
        assert (await second)[0].refusal is Refusal.KAFKA_STORAGE_ERROR
        assert (await append(core, batch()))[0].message == "broken"
        assert (await fetch(core)).high_watermark == 1

    run(test)


def test_exclusive_tasks_fail_with_the_store(run):
    async def test(core, monkeypatch):
        monkeypatch.setattr(core._store, "recover", fail)
        tasks = [core._committer.run_exclusive(fail) for _ in range(2)]
        for task in tasks:
            with pytest.raises(StorageFailed):
                await task
        with pytest.raises(StorageFailed):
            await core._committer.run_exclusive(lambda: None)
        assert (await append(core, batch()))[0].message == "broken"

    run(test)


def test_drain_waits_for_queued_batches_only(run):
    async def test(core, monkeypatch):
        syncs = Syncs(core._store, monkeypatch)
        reply = core.append([Append(LOG, batch())], acks=ACKS_ALL)
        draining = asyncio.ensure_future(core._committer.drain())
        await until(lambda: syncs.count == 1)
        assert not draining.done()
        syncs.release()
        await draining
        assert reply.done()
        await core._committer.drain()

    run(test)


def test_exception_of_an_exclusive_task_fails_only_its_caller(run):
    async def test(core, _):
        def task():
            raise ZeroDivisionError("a bug")

        failing = core._committer.run_exclusive(task)
        stored = append(core, batch())
        with pytest.raises(ZeroDivisionError):
            await failing
        assert (await stored)[0].base_offset == 0
        await core._committer.run_exclusive(lambda: None, must_sync=True)

    run(test)


def test_full_disk_refuses_appends_and_runs_exclusive_tasks(run):
    async def test(core, monkeypatch):
        room = core._store.room
        assert (await append(core, batch()))[0].base_offset == 0
        with monkeypatch.context() as patch:
            patch.setattr(room, "is_short", lambda _: True)
            waiting = [core.append([Append(LOG, batch())], acks=ACKS_ALL) for _ in range(3)]
            results = [(await reply)[0] for reply in waiting]
            assert {result.refusal for result in results} == {Refusal.KAFKA_STORAGE_ERROR}
            assert "no room" in results[0].message
            (result,) = await append(core, batch(), log=OTHER_LOG)
            assert result.refusal is Refusal.KAFKA_STORAGE_ERROR
            # Coordinators may use half of the reserve.
            coordinator_append = Append(OTHER_LOG, batch(), by_coordinator=True)
            (result,) = await core.append([coordinator_append], acks=ACKS_ALL)
            assert result.base_offset == 0
            patch.setattr(room, "is_for_cleaning", lambda _: False)
            (result,) = await core.append([coordinator_append], acks=ACKS_ALL)
            assert result.refusal is Refusal.KAFKA_STORAGE_ERROR
            done = []
            await core._committer.run_exclusive(lambda: done.append(1), must_sync=True)
            await core._committer.run_exclusive(lambda: done.append(2), in_thread=True)
            assert done == [1, 2]
            assert core._committer.failure is None
            assert len(await read_everything(core)) == 1
        await until(lambda: core._committer.refusal is None)
        assert (await append(core, batch()))[0].base_offset == 1

    run(test)


def test_commits_wait_in_the_disk_thread_while_the_disk_is_slow(run):
    async def test(core, monkeypatch):
        journal = core._store.journaled._journal
        journal._slow_until = monotonic() + 60
        is_writing, may_write = threading.Event(), threading.Event()
        append_to_file = journal._file.append

        def append_when_allowed(*record):
            is_writing.set()
            assert may_write.wait(10)
            append_to_file(*record)

        monkeypatch.setattr(journal._file, "append", append_when_allowed)
        appended = asyncio.ensure_future(append(core, batch()))
        # On the event loop the write would never be allowed.
        assert await asyncio.to_thread(is_writing.wait, 60)
        may_write.set()
        await appended
        assert len(await read_everything(core)) == 1

    run(test)
