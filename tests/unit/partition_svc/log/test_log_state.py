import random

import pytest

from common.ports.partitions import AppendResult
from partition_svc.log.log_config import LogConfig
from partition_svc.log.log_state import INDEX_INTERVAL_BYTES, LogState
from partition_svc.log.staged_batch import AppendReply, StagedBatch
from partition_svc.store.keys import COMPACTED_BIT, LAST, LogHead
from partition_svc.store.reading import ReadLimits
from tests.support.stores.log_stores import LOG_KEY, opened
from tests.support.stores.partition_core import batch

PLAIN = LogConfig()
COMPACTED = LogConfig(is_compacted=True, segment_bytes=3000, segment_ms=1000)
EVERYTHING = ReadLimits(1 << 30, 1 << 30, at_least_one=True)


@pytest.fixture
def store(tmp_path):
    with opened(tmp_path) as store:
        yield store


def opened_log(store):
    return LogState(LOG_KEY, store, store.head(LOG_KEY))


def staged(base_offset, *, records=1, size=20, timestamp_ms=1000, epoch=0, row=None):
    one = batch(records, size=size, timestamp_ms=timestamp_ms)
    reply = AppendReply(None)
    position = reply.expect(AppendResult(base_offset))
    end = base_offset + records
    return StagedBatch(None, one, base_offset, end, timestamp_ms, epoch, row, reply, position)


def write(store, log, *batches, config=PLAIN):
    group = store.new_write()
    log.write(group, batches, store.generation, config)
    log.put_head(group, log_start_offset=0, fence_epoch=-1)
    store.write(group, sum(len(one.batch) for one in batches))


def rows(store):
    """Returns all rows and batches of the log."""
    kinds = (b"S", b"T", b"P", b"E", b"H")
    state = [row for one in kinds for row in store.reader.rows(one, one + b"\xff" * 40)]
    return state, store.reader.read(LOG_KEY, 0, LAST, EVERYTHING).batches


@pytest.mark.parametrize("config", [PLAIN, COMPACTED], ids=["plain", "compacted"])
@pytest.mark.parametrize("seed", range(3))
def test_batches_written_together_are_stored_like_single_ones(tmp_path, config, seed):
    chance = random.Random(seed)
    batches, offset, epoch = [], 0, 0
    for number in range(40):
        records = chance.randrange(1, 4)
        epoch += chance.random() < 0.1
        row = (b"P" + LOG_KEY + b"%08d" % number, b"row") if chance.random() < 0.3 else None
        batches.append(
            staged(
                offset,
                records=records,
                size=chance.randrange(20, 900),
                timestamp_ms=chance.randrange(1000, 4000),
                epoch=epoch,
                row=row,
            )
        )
        offset += records
    found = []
    for where in ("together", "apart"):
        with opened(tmp_path / where) as store:
            log = opened_log(store)
            if where == "together":
                write(store, log, *batches, config=config)
            else:
                for one in batches:
                    write(store, log, one, config=config)
            assert opened_log(store).head(log_start_offset=0, fence_epoch=-1) == log.head(
                log_start_offset=0, fence_epoch=-1
            )
            found.append(rows(store))
    assert found[0] == found[1]


def test_head_has_the_written_state(store):
    log = opened_log(store)
    write(store, log, staged(0, records=3, timestamp_ms=500), staged(3, timestamp_ms=400, epoch=2))
    size = len(batch(3)) + len(batch(1))
    assert log.head(log_start_offset=1, fence_epoch=5) == LogHead(1, 4, size, 500, 2, 2, 5)


def test_reopened_log_continues_its_segment(store):
    write(store, opened_log(store), staged(0, records=3))
    write(store, opened_log(store), staged(3, records=3))
    assert list(store.reader.segments(LOG_KEY)) == [(0, store.generation, 0)]
    store.roll()
    write(store, opened_log(store), staged(6, records=3))
    assert [base for base, _, _ in store.reader.segments(LOG_KEY)] == [0, 6]
    assert len(rows(store)[1]) == 3


def test_every_generation_begins_a_segment(store):
    log = opened_log(store)
    write(store, log, staged(0), staged(1))
    store.roll()
    write(store, log, staged(2), staged(3))
    size = len(batch(1))
    assert list(store.reader.segments(LOG_KEY)) == [(0, 0, 0), (2, 1, 2 * size)]
    assert len(rows(store)[1]) == 4


def test_a_log_that_becomes_compacted_begins_a_segment_of_the_other_family(store):
    log = opened_log(store)
    write(store, log, staged(0))
    write(store, log, staged(1), config=COMPACTED)
    write(store, log, staged(2))
    generations = [generation for _, generation, _ in store.reader.segments(LOG_KEY)]
    assert generations == [0, COMPACTED_BIT, 0]
    assert len(rows(store)[1]) == 3


def test_the_time_index_has_at_most_one_entry_for_each_interval(store):
    log = opened_log(store)
    write(store, log, *(staged(n, size=400, timestamp_ms=1000 + n) for n in range(100)))
    entries = log.size_bytes // INDEX_INTERVAL_BYTES
    assert entries > 5
    before = {store.reader.offset_before_time(LOG_KEY, 1000 + number) for number in range(101)}
    assert 0.7 * entries < len(before) <= entries + 1


def test_time_index_grows_only_with_larger_timestamps(store):
    log = opened_log(store)
    write(store, log, staged(0, size=INDEX_INTERVAL_BYTES, timestamp_ms=1000))
    for number in range(1, 6):
        write(store, log, staged(number, size=INDEX_INTERVAL_BYTES, timestamp_ms=900))
    assert store.reader.offset_before_time(LOG_KEY, LAST) == 0
    assert (log.max_timestamp, log.max_timestamp_offset) == (1000, 0)
