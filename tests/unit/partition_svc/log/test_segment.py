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


def follow(store, segment, base_offset, bytes_before, config=COMPACTED):
    group = store.new_write()
    following = segment.next(
        group,
        store.reader,
        LOG_KEY,
        generation=store.generation,
        base_offset=base_offset,
        bytes_before=bytes_before,
        config=config,
    )
    store.write(group, 0)
    return following


def takes(store, segment, size_bytes, timestamp, config=COMPACTED):
    batch = StagedBatch(None, bytes(size_bytes), 0, 1, timestamp, 0, None, None, 0)
    return segment.accepts(store.generation, batch, config)


def test_a_segment_of_a_compacted_log_ends_by_size_and_by_age(store):
    segment = follow(store, Segment(), 0, 0)
    group = store.new_write()
    # However large the first one is.
    assert takes(store, segment, 100, 5000)
    segment.add(group, 60, 5000)
    assert group.compacted_bytes == 60
    assert takes(store, segment, 40, 6000)
    assert not takes(store, segment, 41, 6000)
    assert not takes(store, segment, 40, 6001)
    # Older records never end it, nor those without a time.
    assert takes(store, segment, 40, 1)
    assert takes(store, segment, 40, -1)


def test_others_end_with_the_generation_alone(store):
    segment = follow(store, Segment(), 0, 0, PLAIN)
    group = store.new_write()
    segment.add(group, 1 << 40, 0)
    assert group.compacted_bytes == 0
    assert takes(store, segment, 1 << 20, 1 << 60, PLAIN)
    store.roll()
    assert not takes(store, segment, 1, 1, PLAIN)


def test_segments_of_compacted_logs_have_the_compacted_bit(store):
    first = follow(store, Segment(), 0, 0, PLAIN)
    assert not takes(store, first, 1, 1)
    follow(store, first, 10, 70)
    segments = list(store.reader.segments(LOG_KEY))
    assert segments == [(0, 0, 0), (10, COMPACTED_BIT, 70)]


def test_reopened_log_continues_its_segment(store):
    follow(store, follow(store, Segment(), 0, 0), 10, 70)
    again = follow(store, Segment(), 20, 130)
    assert [base for base, _, _ in store.reader.segments(LOG_KEY)] == [0, 10]
    assert takes(store, again, 40, 1)
    assert not takes(store, again, 41, 1)
    store.roll()
    follow(store, Segment(), 20, 130)
    assert [base for base, _, _ in store.reader.segments(LOG_KEY)] == [0, 10, 20]
