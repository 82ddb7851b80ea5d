import pytest

from partition_svc.log.compaction.stale_times import StaleTimeIndex
from partition_svc.store.keys import time_key
from tests.support.stores.log_stores import LOG_KEY, OTHER_LOG_KEY, opened


@pytest.fixture
def store(tmp_path):
    """Rows at every tenth offset, and those of another log."""
    with opened(tmp_path) as store:
        group = store.new_write()
        for number in range(2_000):
            for key in (LOG_KEY, OTHER_LOG_KEY):
                group.put(time_key(key, 1_000 + number, number * 10), b"")
        store.write(group, 0)
        yield store


def stale(times, end_offset, kept=()):
    found, is_all = [], False
    while not is_all:
        keys, is_all = times.next(end_offset, kept)
        assert len(keys) < 1_000, "too much for one turn"
        found += keys
    return found


def row(offset):
    return time_key(LOG_KEY, 1_000 + offset // 10, offset)


def test_rows_without_their_batches_are_found_piece_by_piece(store):
    times = StaleTimeIndex(store.reader, LOG_KEY)
    assert stale(times, 25, {10}) == [row(0), row(20)]
    assert stale(times, 25) == []
    assert stale(times, 31, {30}) == []
    assert stale(times, 19_990) == [row(offset) for offset in range(40, 19_990, 10)]
    assert stale(times, 1 << 40, {19_990}) == []
