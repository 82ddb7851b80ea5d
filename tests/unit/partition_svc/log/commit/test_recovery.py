import asyncio

import pytest

from common.ports.metadata import ClusterChange
from common.ports.partitions import LogId, Refusal
from partition_svc.store.failures import StorageFailed
from tests.support.stores.full_disk import files_limited_to
from tests.support.stores.partition_core import (
    LOG,
    TOPIC_ID,
    append,
    batch,
    batches_of,
    content,
    fetch,
    query,
    read_everything,
    running_core,
    until,
)

_WITHIN_S = 60
_FULL_BYTES = 300_000
OTHER_LOG = LogId(TOPIC_ID, 1)


def run(test, tmp_path):
    async def within_limits():
        async with asyncio.timeout(_WITHIN_S), running_core(tmp_path) as core:
            await test(core)

    asyncio.run(within_limits())


def numbered_batch(number):
    """Returns batch `number` of an idempotent producer, 20 KB."""
    return batch(size=20_000, start=number, producer=(7, 0, number))


async def fill(core):
    """Appends until the disk refuses; returns how many batches were acknowledged."""
    for number in range(1000):
        (result,) = await append(core, numbered_batch(number))
        if result.refusal is not None:
            assert result.refusal is Refusal.KAFKA_STORAGE_ERROR
            assert result.base_offset == -1
            return number
    raise AssertionError("the disk never refused")


async def append_when_possible(core, sent):
    """Sends the same batch until it is accepted, as a client does."""
    while True:
        (result,) = await append(core, sent)
        if result.refusal is None:
            return result
        assert result.refusal is Refusal.KAFKA_STORAGE_ERROR
        await asyncio.sleep(0.05)


def test_a_full_disk_refuses_appends_only(tmp_path):
    async def test(core):
        with files_limited_to(_FULL_BYTES):
            count = await fill(core)
            assert count > 5
            # Refused without a write, for any log.
            (result,) = await append(core, batch(), log=OTHER_LOG)
            assert result.refusal is Refusal.KAFKA_STORAGE_ERROR
            read = await read_everything(core)
            assert [content(stored) for stored in read] == [
                content(numbered_batch(n)) for n in range(count)
            ]
            (described,) = await core.describe_logs([LOG])
            assert (described.high_watermark, described.log_end_offset) == (count, count)

    run(test, tmp_path)


def test_log_continues_at_its_end_once_there_is_room(tmp_path):
    async def test(core):
        with files_limited_to(_FULL_BYTES):
            count = await fill(core)
            waiting = asyncio.ensure_future(core.fetch(query((LOG, count), max_wait_ms=50_000)))
        result = await append_when_possible(core, numbered_batch(count))
        assert result.base_offset == count
        (woken,) = await waiting
        assert len(batches_of(woken)) == 1
        await append(core, numbered_batch(count + 1))
        expected = [content(numbered_batch(number)) for number in range(count + 2)]
        assert [content(stored) for stored in await read_everything(core)] == expected

    run(test, tmp_path)


def test_reads_continue_while_the_store_cannot_be_opened_for_writing(tmp_path):
    async def test(core):
        with files_limited_to(_FULL_BYTES):
            count = await fill(core)
        # Opening flushes the write-ahead log, which does not fit any more.
        with files_limited_to(_FULL_BYTES // 10):
            await until(lambda: not core._store.is_writable)
            assert len(await read_everything(core)) == count
            (result,) = await append(core, numbered_batch(count))
            assert result.refusal is Refusal.KAFKA_STORAGE_ERROR
        await append_when_possible(core, numbered_batch(count))
        assert len(await read_everything(core)) == count + 1

    run(test, tmp_path)


def test_failed_sync_refuses_acks_all_and_hides_unsynced_batches(tmp_path, monkeypatch):
    async def test(core):
        await append(core, batch())
        with monkeypatch.context() as patch:
            patch.setattr(core._store, "sync", fail)
            (result,) = await append(core, numbered_batch(0))
            assert result.refusal is Refusal.KAFKA_STORAGE_ERROR
            assert len(await read_everything(core)) == 1
        # The batch was written, so a retry is a duplicate.
        result = await append_when_possible(core, numbered_batch(0))
        assert result.base_offset == 1
        assert len(await read_everything(core)) == 2

    run(test, tmp_path)


def test_later_batches_of_a_producer_do_not_overtake_a_refused_one(tmp_path, monkeypatch):
    async def test(core):
        (first,) = await append(core, numbered_batch(0))
        assert first.refusal is None
        with monkeypatch.context() as patch:
            patch.setattr(core._store, "sync", fail)
            # The first is written and refused, the second is refused without a write.
            refused = [(await append(core, numbered_batch(n)))[0].refusal for n in (1, 2)]
        assert refused == [Refusal.KAFKA_STORAGE_ERROR] * 2
        # The disk works again and appends succeed, but batch 3 arrives before 1 and 2 are retried.
        await append_when_possible(core, batch())
        (early,) = await append(core, numbered_batch(3))
        assert early.refusal is Refusal.KAFKA_STORAGE_ERROR
        offsets = [(await append(core, numbered_batch(n)))[0].base_offset for n in (1, 2, 3)]
        assert offsets == [1, 3, 4]

    run(test, tmp_path)


def fail():
    raise StorageFailed("the disk is lost")


def test_a_topic_can_be_deleted_while_the_disk_is_full(tmp_path):
    async def test(core):
        with files_limited_to(_FULL_BYTES):
            await fill(core)
            core.apply(ClusterChange(2, "cluster-of-tests", deleted_topics=[TOPIC_ID]))
            assert (await fetch(core)).refusal is Refusal.UNKNOWN_TOPIC_OR_PARTITION
        await until(lambda: core._recovery.is_readable and not list(core._store.reader.heads()))

    run(test, tmp_path)


def test_store_that_fails_while_the_disk_is_full_is_opened_again(tmp_path):
    async def test(core):
        core._store.room.is_short = lambda _: True
        await append(core, batch())
        assert core._committer.is_full.is_set()
        with pytest.raises(StorageFailed):
            await core._committer.run_exclusive(fail)
        assert core._committer.failure is not None
        await until(lambda: core._committer.failure is None)
        del core._store.room.is_short
        await append_when_possible(core, batch())

    run(test, tmp_path)


def test_a_disk_whose_free_bytes_cannot_be_read_counts_as_full(tmp_path):
    async def test(core):
        checks = []

        def check_once(_):
            checks.append(1)
            if len(checks) == 1:
                return True
            raise StorageFailed("the disk is lost")

        core._store.room.is_short = check_once
        await append(core, batch())
        await until(lambda: len(checks) > 1)
        assert core._committer.refusal is not None
        del core._store.room.is_short
        await append_when_possible(core, batch())

    run(test, tmp_path)
