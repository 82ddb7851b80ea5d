import asyncio
import random
from functools import partial

import pytest

from common.ports.metadata import ClusterChange
from common.ports.partitions import OffsetQuery, Refusal
from partition_svc.log.compaction.compaction_pass import CompactionInterrupted
from partition_svc.log.rate_limit import RateLimit
from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import log_key, range_of, unpack_time_key
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import ReadLimits
from tests.support.stores.compacted_logs import (
    EAGER,
    NEVER_MS,
    START_MS,
    begin_segment,
    fill,
    last_values,
    pairs_by_offset,
    read_all_batches,
    run_compaction,
)
from tests.support.stores.crash_copies import copy_open_store
from tests.support.stores.partition_core import (
    CLUSTER_ID,
    LOG,
    TOPIC_ID,
    batches_of,
    end_offset,
    fetch,
    read_everything,
    running_core,
    topic,
    until,
)
from tests.support.wire.batches import CODECS

KEY = log_key(*LOG)
SEEDS = (1, 2, 3)


def run(test):
    async def within_limits():
        async with asyncio.timeout(120):
            await test()

    asyncio.run(within_limits())


def compacting_core(folder, **configs):
    return running_core(folder, topic(configs={**EAGER, **configs}), cleaner_enable=False)


def random_pairs(rng):
    """Returns pairs with few keys and many tombstones."""
    count = rng.randrange(1, 6)
    values = [None, b"x", b"y" * 50]
    return [(b"%d" % rng.randrange(12), rng.choice(values)) for _ in range(count)]


async def fill_at_random(core, rng):
    for _ in range(rng.randrange(1, 15)):
        await fill(core, random_pairs(rng), codec=rng.choice(sorted(CODECS)))
        if rng.random() < 0.3:
            await begin_segment(core)


@pytest.mark.parametrize("seed", SEEDS)
def test_last_values_are_the_same_after_any_number_of_passes(tmp_path, seed):
    async def test():
        rng = random.Random(seed)
        now_ms = START_MS
        async with compacting_core(tmp_path, **{"delete.retention.ms": "1000"}) as core:
            for _ in range(12):
                await fill_at_random(core, rng)
                before = await read_everything(core)
                now_ms += rng.randrange(800)
                await run_compaction(core, now_ms=now_ms, buffer_bytes=rng.choice([400, 1 << 20]))
                after = await read_everything(core)
                assert last_values(after) == last_values(before), seed
                assert pairs_by_offset(after).items() <= pairs_by_offset(before).items(), seed
                assert after == read_all_batches(core._store, KEY), seed

    run(test)


@pytest.mark.parametrize("seed", SEEDS)
def test_last_values_are_the_same_if_a_pass_is_killed_after_any_write(tmp_path, seed, monkeypatch):
    """Copies the files after each write, as a process killed there would leave them."""

    async def test():
        rng = random.Random(seed)
        async with compacting_core(tmp_path / "data", **{"delete.retention.ms": "0"}) as core:
            await fill_at_random(core, rng)
            await begin_segment(core)
            await fill_at_random(core, rng)
            expected = last_values(await read_everything(core))
            # A read for each batch, so that there are many writes.
            monkeypatch.setattr(
                "partition_svc.log.compaction.compaction_pass._PIECE",
                ReadLimits(1, 1, at_least_one=True),
            )
            copies = copy_after_each_write(core, tmp_path, monkeypatch)
            for round_ in range(3):
                await run_compaction(core, now_ms=START_MS + round_)
            assert len(copies) > 3
        for copy in copies:
            store = LogStore(copy)
            try:
                assert last_values(read_all_batches(store, KEY)) == expected, (seed, copy)
            finally:
                store.close()

    run(test)


def copy_after_each_write(core, folder, monkeypatch):
    """Copies the files after each write; RocksDB may only delete files while they are copied."""
    copies = []
    write = core._store.write

    def write_and_copy(changes, size_bytes):
        write(changes, size_bytes)
        copies.append(folder / f"killed-{len(copies)}")
        copy_open_store(folder / "data", copies[-1])

    monkeypatch.setattr(core._store, "write", write_and_copy)
    return copies


def test_nothing_of_the_newest_segment_changes(tmp_path):
    async def test():
        async with compacting_core(tmp_path) as core:
            await fill(core, [(b"a", b"1")], [(b"a", b"2")])
            assert await run_compaction(core, now_ms=START_MS) == 0
            await begin_segment(core)
            await fill(core, [(b"a", b"3")], [(b"a", b"4")])
            assert await run_compaction(core, now_ms=START_MS) == 1
            left = pairs_by_offset(await read_everything(core))
            assert left == {1: (b"a", b"2"), 2: (b"a", b"3"), 3: (b"a", b"4")}

    run(test)


def test_fetch_in_a_gap_continues_after_it_even_without_the_first_segments(tmp_path):
    async def test():
        async with compacting_core(tmp_path) as core:
            for number in range(4):
                await fill(core, [(b"a", b"%d" % number)], [(b"a", b"x%d" % number)])
                await begin_segment(core)
            await fill(core, [(b"a", b"last")])
            assert await run_compaction(core, now_ms=START_MS) == 7
            assert len(list(core._store.reader.segments(KEY))) == 2
            for offset in range(8):
                result = await fetch(core, offset)
                assert result.log_start_offset == 0
                assert list(pairs_by_offset(batches_of(result))) == [7, 8]
            assert end_offset(batches_of(await fetch(core, 8))[-1]) == 9

    run(test)


def test_tail_cache_drops_records_that_a_pass_removed(tmp_path):
    async def test():
        async with compacting_core(tmp_path) as core:
            await fill(core, [(b"a", b"1")], [(b"a", b"2"), (b"b", b"1")], [(b"a", b"3")])
            await begin_segment(core)
            await fill(core, [(b"c", b"1")])
            assert len(batches_of(await fetch(core))) == 4
            await run_compaction(core, now_ms=START_MS)
            assert list(pairs_by_offset(batches_of(await fetch(core)))) == [2, 3, 4]
            (described,) = await core.describe_logs([LOG])
            assert described.size_bytes == sum(map(len, read_all_batches(core._store, KEY)))

    run(test)


def test_producer_is_remembered_after_its_batches_were_removed(tmp_path):
    async def test():
        async with compacting_core(tmp_path) as core:
            await fill(core, [(b"a", b"1")], producer=(9, 0, 0))
            await begin_segment(core)
            await fill(core, [(b"a", b"2")])
            await begin_segment(core)
            await fill(core, [(b"b", b"2")])
            assert await run_compaction(core, now_ms=START_MS) == 1
        async with compacting_core(tmp_path) as core:
            # A retry of the removed batch, and the next one.
            await fill(core, [(b"a", b"1")], producer=(9, 0, 0))
            await fill(core, [(b"a", b"5")], producer=(9, 0, 1))
            assert list(pairs_by_offset(await read_everything(core))) == [1, 2, 3]

    run(test)


def test_pass_limits_the_rate_of_reads_and_writes(tmp_path):
    class RecordingLimit(RateLimit):
        acquired = 0

        async def acquire(self, size_bytes):
            self.acquired += size_bytes

    async def test():
        async with compacting_core(tmp_path) as core:
            await fill(core, [(b"a", b"1"), (b"b", b"1")], [(b"a", b"2")])
            await begin_segment(core)
            await fill(core, [(b"c", b"")])
            before = read_all_batches(core._store, KEY)
            limit = RecordingLimit(0)
            core._background.cleaner._tools = core._background.cleaner._tools._replace(limit=limit)
            await run_compaction(core, now_ms=START_MS)
            after = read_all_batches(core._store, KEY)
            # Reads of both batches, for keys and for records, and the write of the rewritten first.
            assert limit.acquired == 2 * sum(map(len, before[:2])) + len(after[0])

    run(test)


async def fill_two_segments(core):
    for number in range(5):
        await fill(core, [(b"a", b"%d" % number)])
    await begin_segment(core)
    await fill(core, [(b"b", b"")])


def test_a_log_that_is_deleted_during_a_pass_stays_deleted(tmp_path):
    async def test():
        async with compacting_core(tmp_path) as core:
            await fill_two_segments(core)
            pass_task = asyncio.create_task(run_compaction(core, now_ms=START_MS))
            await asyncio.sleep(0)
            core.apply(ClusterChange(2, CLUSTER_ID, deleted_topics=[TOPIC_ID]))
            with pytest.raises(CompactionInterrupted):
                await pass_task
            await until(lambda: not dict(core._store.reader.heads()))
            assert (await fetch(core)).refusal is Refusal.UNKNOWN_TOPIC_OR_PARTITION

    run(test)


def test_failed_write_changes_nothing_and_the_next_pass_continues(tmp_path, monkeypatch):
    async def test():
        async with compacting_core(tmp_path) as core:
            await fill_two_segments(core)
            before = await read_everything(core)

            def fail(changes, size_bytes):
                raise StorageFailed("broken")

            with monkeypatch.context() as patch:
                patch.setattr(core._store, "write", fail)
                with pytest.raises(StorageFailed):
                    await run_compaction(core, now_ms=START_MS)
            await until(lambda: core._committer.failure is None)
            assert await read_everything(core) == before == read_all_batches(core._store, KEY)
            assert await run_compaction(core, now_ms=START_MS) == 4
            assert last_values(await read_everything(core)) == last_values(before)

    run(test)


def test_pass_is_interrupted_when_the_store_was_opened_again(tmp_path):
    """The later records, for which the pass would remove others, may be lost."""

    async def test():
        async with compacting_core(tmp_path) as core:
            await fill_two_segments(core)
            before = await read_everything(core)
            pass_task = asyncio.create_task(run_compaction(core, now_ms=START_MS))
            await asyncio.sleep(0)
            assert await core._recovery._could_open()
            with pytest.raises(CompactionInterrupted):
                await pass_task
            assert await read_everything(core) == before

    run(test)


def test_the_time_index_shrinks_with_the_log(tmp_path):
    """After updates of one key, rows of the index must not outlive the removed batches."""

    async def test():
        async with compacting_core(tmp_path) as core:
            for number in range(20):
                await fill(core, [(b"key", b"x" * 5_000)], at_ms=START_MS + number)
                await begin_segment(core)
            rows = partial(core._store.reader.rows, *range_of(b"T", KEY))
            assert sum(1 for _ in rows()) > 15
            await run_compaction(core, now_ms=START_MS + NEVER_MS)
            left = {unpack_time_key(key)[1] for key, _ in rows()}
            assert len(left) < 5
            last_offsets = {end_offset(batch) - 1 for batch in await read_everything(core)}
            assert left <= last_offsets
            for time in (START_MS, START_MS + 10, START_MS + 19):
                (found,) = await core.list_offsets([OffsetQuery(LOG, time)])
                assert found.refusal is None
                assert found.timestamp >= time

    run(test)
