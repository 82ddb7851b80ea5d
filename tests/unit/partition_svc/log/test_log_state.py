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


def open_log(store):
    return LogState(LOG_KEY, store, store.head(LOG_KEY))


def stage(base_offset, *, records=1, size=20, timestamp_ms=1000, epoch=0, row=None):
    data = batch(records, size=size, timestamp_ms=timestamp_ms)
    reply = AppendReply(None)
    position = reply.expect(AppendResult(base_offset))
    end = base_offset + records
    return StagedBatch(None, data, base_offset, end, timestamp_ms, epoch, row, reply, position)


def write(store, log, *batches, config=PLAIN):
    atomic_write = store.new_write()
    log.write(atomic_write, batches, store.generation, config)
    log.put_head(atomic_write, log_start_offset=0, fence_epoch=-1)
    store.write(atomic_write, sum(len(staged.batch) for staged in batches))


def read_all(store):
    """Returns all rows of the log, and its batches."""
    kinds = (b"S", b"T", b"P", b"E", b"H")
    state = [row for kind in kinds for row in store.reader.rows(kind, kind + b"\xff" * 40)]
    return state, store.reader.read(LOG_KEY, 0, LAST, EVERYTHING).batches


@pytest.mark.parametrize("config", [PLAIN, COMPACTED], ids=["plain", "compacted"])
@pytest.mark.parametrize("seed", range(3))
def test_batches_in_one_write_are_stored_like_batches_in_several(tmp_path, config, seed):
    rng = random.Random(seed)
    batches, offset, epoch = [], 0, 0
    for number in range(40):
        records = rng.randrange(1, 4)
        epoch += rng.random() < 0.1
        row = (b"P" + LOG_KEY + b"%08d" % number, b"row") if rng.random() < 0.3 else None
        batches.append(
            stage(
                offset,
                records=records,
                size=rng.randrange(20, 900),
                timestamp_ms=rng.randrange(1000, 4000),
                epoch=epoch,
                row=row,
            )
        )
        offset += records
    contents = []
    for mode in ("together", "apart"):
        with opened(tmp_path / mode) as store:
            log = open_log(store)
            if mode == "together":
                write(store, log, *batches, config=config)
            else:
                for staged in batches:
                    write(store, log, staged, config=config)
            assert open_log(store).head(log_start_offset=0, fence_epoch=-1) == log.head(
                log_start_offset=0, fence_epoch=-1
            )
            contents.append(read_all(store))
    assert contents[0] == contents[1]


def test_head_has_the_written_state(store):
    log = open_log(store)
    write(store, log, stage(0, records=3, timestamp_ms=500), stage(3, timestamp_ms=400, epoch=2))
    size = len(batch(3)) + len(batch(1))
    assert log.head(log_start_offset=1, fence_epoch=5) == LogHead(1, 4, size, 500, 2, 2, 5)


def test_reopened_log_continues_its_segment(store):
    write(store, open_log(store), stage(0, records=3))
    write(store, open_log(store), stage(3, records=3))
    assert list(store.reader.segments(LOG_KEY)) == [(0, store.generation, 0)]
    store.roll()
    write(store, open_log(store), stage(6, records=3))
    assert [base for base, _, _ in store.reader.segments(LOG_KEY)] == [0, 6]
    assert len(read_all(store)[1]) == 3


def test_every_generation_begins_a_segment(store):
    log = open_log(store)
    write(store, log, stage(0), stage(1))
    store.roll()
    write(store, log, stage(2), stage(3))
    size = len(batch(1))
    assert list(store.reader.segments(LOG_KEY)) == [(0, 0, 0), (2, 1, 2 * size)]
    assert len(read_all(store)[1]) == 4


def test_a_log_that_becomes_compacted_begins_a_segment_of_the_other_family(store):
    log = open_log(store)
    write(store, log, stage(0))
    write(store, log, stage(1), config=COMPACTED)
    write(store, log, stage(2))
    generations = [generation for _, generation, _ in store.reader.segments(LOG_KEY)]
    assert generations == [0, COMPACTED_BIT, 0]
    assert len(read_all(store)[1]) == 3


def test_the_time_index_has_at_most_one_entry_for_each_interval(store):
    log = open_log(store)
    write(store, log, *(stage(n, size=400, timestamp_ms=1000 + n) for n in range(100)))
    entries = log.size_bytes // INDEX_INTERVAL_BYTES
    assert entries > 5
    before = {store.reader.offset_before_time(LOG_KEY, 1000 + number) for number in range(101)}
    assert 0.7 * entries < len(before) <= entries + 1


def test_time_index_grows_only_with_larger_timestamps(store):
    log = open_log(store)
    write(store, log, stage(0, size=INDEX_INTERVAL_BYTES, timestamp_ms=1000))
    for number in range(1, 6):
        write(store, log, stage(number, size=INDEX_INTERVAL_BYTES, timestamp_ms=900))
    assert store.reader.offset_before_time(LOG_KEY, LAST) == 0
    assert (log.max_timestamp, log.max_timestamp_offset) == (1000, 0)
