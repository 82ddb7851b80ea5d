import pytest

from partition_svc.log.log_config import LogConfig
from partition_svc.log.segment import Segment
from partition_svc.log.staged_batch import StagedBatch
from partition_svc.store.keys import COMPACTED_BIT
from tests.support.stores.log_stores import LOG_KEY, opened

PLAIN = LogConfig()
COMPACTED = LogConfig(is_compacted=True, segment_bytes=100, segment_ms=1000)


@pytest.fixture
def store(tmp_path):
    with opened(tmp_path) as store:
        yield store


def begin_next(store, segment, base_offset, bytes_before, config=COMPACTED):
    atomic_write = store.new_write()
    next_segment = segment.next(
        atomic_write,
        store.reader,
        LOG_KEY,
        generation=store.generation,
        base_offset=base_offset,
        bytes_before=bytes_before,
        config=config,
    )
    store.write(atomic_write, 0)
    return next_segment


def accepts(store, segment, size_bytes, timestamp, config=COMPACTED):
    batch = StagedBatch(None, bytes(size_bytes), 0, 1, timestamp, 0, None, None, 0)
    return segment.accepts(store.generation, batch, config)


def test_a_segment_of_a_compacted_log_ends_by_size_and_by_age(store):
    segment = begin_next(store, Segment(), 0, 0)
    atomic_write = store.new_write()
    # A segment accepts its first batch whatever its size.
    assert accepts(store, segment, 100, 5000)
    segment.add(atomic_write, 60, 5000)
    assert atomic_write.compacted_bytes == 60
    assert accepts(store, segment, 40, 6000)
    assert not accepts(store, segment, 41, 6000)
    assert not accepts(store, segment, 40, 6001)
    # Older records never end it, nor records without a timestamp.
    assert accepts(store, segment, 40, 1)
    assert accepts(store, segment, 40, -1)


def test_a_segment_of_a_plain_log_ends_only_with_the_generation(store):
    segment = begin_next(store, Segment(), 0, 0, PLAIN)
    atomic_write = store.new_write()
    segment.add(atomic_write, 1 << 40, 0)
    assert atomic_write.compacted_bytes == 0
    assert accepts(store, segment, 1 << 20, 1 << 60, PLAIN)
    store.roll()
    assert not accepts(store, segment, 1, 1, PLAIN)


def test_segments_of_compacted_logs_have_the_compacted_bit(store):
    first = begin_next(store, Segment(), 0, 0, PLAIN)
    assert not accepts(store, first, 1, 1)
    begin_next(store, first, 10, 70)
    segments = list(store.reader.segments(LOG_KEY))
    assert segments == [(0, 0, 0), (10, COMPACTED_BIT, 70)]


def test_reopened_log_continues_its_segment(store):
    begin_next(store, begin_next(store, Segment(), 0, 0), 10, 70)
    reopened = begin_next(store, Segment(), 20, 130)
    assert [base for base, _, _ in store.reader.segments(LOG_KEY)] == [0, 10]
    assert accepts(store, reopened, 40, 1)
    assert not accepts(store, reopened, 41, 1)
    store.roll()
    begin_next(store, Segment(), 20, 130)
    assert [base for base, _, _ in store.reader.segments(LOG_KEY)] == [0, 10, 20]
