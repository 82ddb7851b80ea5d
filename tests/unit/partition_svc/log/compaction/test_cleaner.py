import asyncio

from common.ports.metadata import ClusterChange
from common.ports.moves import Move, MovePhase
from common.ports.partitions import MAX_TIMESTAMP, LogId, OffsetQuery
from partition_svc.log.compaction import cleaner
from partition_svc.log.compaction.candidate import find_candidate
from partition_svc.log.compaction.compaction_pass import CompactionPass
from partition_svc.log.log_config import LogConfig
from tests.support.stores.compacted_logs import (
    EAGER,
    START_MS,
    begin_segment,
    fill,
    keyed_batch,
    last_values,
    pairs_by_offset,
)
from tests.support.stores.log_stores import batch_files
from tests.support.stores.partition_core import (
    CLUSTER_ID,
    LOG,
    MEMBER,
    TOPIC_ID,
    append,
    batches_of,
    end_offset,
    fetch,
    read_everything,
    running_core,
    snapshot,
    topic,
    until,
)
from tests.support.wire.batches import record_batch, with_valid_crc
from tests.support.wire.records import Record

OTHER_TOPIC_ID = b"another of 16 by"
OTHER_LOG = LogId(OTHER_TOPIC_ID, 0)
NO_BACKOFF = {"cleaner_backoff_ms": 1}


def run(test):
    async def within_limits():
        async with asyncio.timeout(120):
            await test()

    asyncio.run(within_limits())


async def fill_two_segments(core, log=LOG):
    for number in range(5):
        await append(core, keyed_batch([(b"a", b"%d" % number)]), log=log)
    await begin_segment(core)
    await append(core, keyed_batch([(b"b", b"")]), log=log)


def test_compacted_topics_are_compacted_and_others_are_not(tmp_path):
    async def test():
        topics = [topic(configs=EAGER), topic(OTHER_TOPIC_ID)]
        async with running_core(tmp_path, *topics, **NO_BACKOFF) as core:
            await fill_two_segments(core, OTHER_LOG)
            await fill_two_segments(core)
            await until(lambda: core._store.reader.compacted_to(core._registry.find(LOG).key) == 5)
            assert len(await read_everything(core)) == 2
            assert len(await read_everything(core, OTHER_LOG)) == 6

    run(test)


def test_concurrent_consumer_gets_all_last_values_and_space_is_reclaimed(tmp_path):
    async def test():
        keys, rounds = 20, 40
        settings = {"flush_bytes": 1 << 20, **NO_BACKOFF}
        async with running_core(tmp_path, topic(configs=EAGER), **settings) as core:
            read = asyncio.create_task(follow(core, keys * rounds))
            for number in range(rounds):
                pairs = [(b"%d" % key, b"%d" % number + b"." * 5000) for key in range(keys)]
                await fill(core, *(pairs[start : start + 4] for start in range(0, keys, 4)))
            known = await read
            assert {value.rstrip(b".") for value in known.values()} == {b"%d" % (rounds - 1)}
            await begin_segment(core)
            await fill(core, [(b"end", b"")])
            await until(lambda: core._registry.find(LOG).head.size_bytes < 300_000)
            await until(lambda: sum(file["size"] for file in batch_files(core._store)) < 500_000)
            assert last_values(await read_everything(core)) == {**known, b"end": b""}

    run(test)


def test_busy_log_stays_small_within_one_generation(tmp_path):
    """Like `__consumer_offsets`: few keys, many small batches, segments of a megabyte."""

    async def test():
        configs = {**EAGER, "segment.bytes": str(1 << 20)}
        async with running_core(tmp_path, topic(configs=configs), **NO_BACKOFF) as core:
            for number in range(10):
                for _ in range(30):
                    await fill(core, [(b"%d" % key, b"%d" % number * 5000) for key in range(10)])
                await until(lambda: core._registry.find(LOG).head.size_bytes < 2 << 20)
            assert core._store.generation == 0
            known = last_values(await read_everything(core))
            assert known == {b"%d" % key: b"9" * 5000 for key in range(10)}

    run(test)


async def follow(core, end):
    """Reads to offset `end`; returns the last value of each key."""
    known, offset = {}, 0
    while offset < end:
        found = batches_of(await fetch(core, offset))
        known |= dict(pairs_by_offset(found).values())
        offset = end_offset(found[-1]) if found else offset
        await asyncio.sleep(0)
    return known


def test_largest_timestamp_is_that_of_a_remaining_record(tmp_path):
    async def test():
        async with running_core(tmp_path, topic(configs=EAGER), cleaner_enable=False) as core:
            await fill(core, [(b"b", b"")], at_ms=START_MS + 5)
            await fill(core, [(b"a", b"1")], at_ms=START_MS + 10)
            await fill(core, [(b"a", b"2")], at_ms=START_MS + 3)
            await begin_segment(core)
            await fill(core, [(b"c", b"")], at_ms=START_MS + 1)
            queries = [OffsetQuery(LOG, MAX_TIMESTAMP), OffsetQuery(LOG, START_MS + 4)]
            before = await core.list_offsets(queries)
            assert [result.offset for result in before] == [1, 0]
            await core._background.cleaner.clean_dirty_logs()
            after = await core.list_offsets(queries)
            assert [(result.offset, result.timestamp) for result in after] == [
                (0, START_MS + 5)
            ] * 2

    run(test)


def test_a_log_that_moves_is_not_compacted(tmp_path):
    """The copy of a move must not miss a tombstone of a record that it has."""

    async def test():
        compacted = topic(configs=EAGER)
        async with running_core(tmp_path, compacted, cleaner_enable=False) as core:
            await fill_two_segments(core)
            move = Move(1, TOPIC_ID, 0, MEMBER, "partition-1", 0, MovePhase.PREPARE)
            moving = ClusterChange(
                2, CLUSTER_ID, is_snapshot=True, topics=[compacted], moves=[move]
            )
            core.apply(moving)
            await core._background.cleaner.clean_dirty_logs()
            assert len(await read_everything(core)) == 6
            core.apply(ClusterChange(3, CLUSTER_ID, is_snapshot=True, topics=[compacted]))
            await core._background.cleaner.clean_dirty_logs()
            assert len(await read_everything(core)) == 2

    run(test)


def test_cleaner_does_not_run_if_disabled(tmp_path):
    async def test():
        settings = {"cleaner_enable": False, **NO_BACKOFF}
        async with running_core(tmp_path, topic(configs=EAGER), **settings) as core:
            assert not any("cleaner" in repr(task) for task in core._background._tasks)

    run(test)


def with_overflowing_timestamps(batch):
    """Returns the batch with a base timestamp that takes those of its records beyond 64 bits."""
    return with_valid_crc(batch[:27] + (2**63 - 1).to_bytes(8, "big") + batch[35:])


def test_batch_that_cannot_be_rewritten_is_skipped_and_reported(tmp_path, caplog):
    """Earlier releases accepted such timestamps; the cleaner must survive them at each start."""

    async def test():
        records = [Record(b"1", b"a", timestamp_ms=1), Record(b"2", b"a", timestamp_ms=2)]
        overflowing = with_overflowing_timestamps(record_batch(records, base_timestamp_ms=0))
        async with running_core(tmp_path, topic(configs=EAGER), cleaner_enable=False) as core:
            log = core._registry.find(LOG)
            # With log append time, timestamps of batches are not checked.
            log.config = LogConfig(is_log_append_time=True)
            await append(core, overflowing)
            core.apply(snapshot(topic(configs=EAGER), revision=2))
            await fill_two_segments(core)
            for _ in range(2):
                await core._background.cleaner.clean_dirty_logs()
            assert (await read_everything(core))[0][61:] == overflowing[61:]
            assert len(await read_everything(core)) == 3
            (described,) = await core.describe_logs([LOG])
            assert "1 batches are left unchanged, the first at offset 0" in described.uncleanable
        assert caplog.text.count("cannot compact") == 1

    run(test)


def test_bug_in_one_log_is_reported_and_the_others_are_compacted(tmp_path, monkeypatch, caplog):
    async def test():
        topics = [topic(configs=EAGER), topic(OTHER_TOPIC_ID, configs=EAGER)]
        async with running_core(tmp_path, *topics, cleaner_enable=False) as core:
            await fill_two_segments(core, OTHER_LOG)
            await fill_two_segments(core)
            compact = CompactionPass._compact_before

            async def fail_for_log(compaction_pass, last_offsets):
                if compaction_pass._log.id == LOG:
                    raise ZeroDivisionError("a bug")
                await compact(compaction_pass, last_offsets)

            with monkeypatch.context() as patch:
                patch.setattr(CompactionPass, "_compact_before", fail_for_log)
                await core._background.cleaner.clean_dirty_logs()
            assert [len(await read_everything(core, log)) for log in (LOG, OTHER_LOG)] == [6, 2]
            described = await core.describe_logs([LOG, OTHER_LOG])
            assert ["a bug" in description.uncleanable for description in described] == [
                True,
                False,
            ]
            assert "ZeroDivisionError" in caplog.text
            await core._background.cleaner.clean_dirty_logs()
            assert len(await read_everything(core)) == 2
            assert (await core.describe_logs([LOG]))[0].uncleanable == ""

    run(test)


def test_bug_in_finding_the_dirty_part_of_one_log_does_not_stop_others(tmp_path, monkeypatch):
    async def test():
        topics = [topic(configs=EAGER), topic(OTHER_TOPIC_ID, configs=EAGER)]
        async with running_core(tmp_path, *topics, cleaner_enable=False) as core:
            await fill_two_segments(core, OTHER_LOG)
            await fill_two_segments(core)

            def fail_for_log(log, reader, now_ms):
                if log.id == LOG:
                    raise ZeroDivisionError("a bug")
                return find_candidate(log, reader, now_ms)

            monkeypatch.setattr(cleaner, "find_candidate", fail_for_log)
            await core._background.cleaner.clean_dirty_logs()
            assert [len(await read_everything(core, log)) for log in (LOG, OTHER_LOG)] == [6, 2]
            assert "a bug" in (await core.describe_logs([LOG]))[0].uncleanable

    run(test)
