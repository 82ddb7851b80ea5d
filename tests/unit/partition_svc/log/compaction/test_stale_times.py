import pytest

from partition_svc.log.compaction.stale_times import StaleTimeIndex
from partition_svc.store.keys import time_key
from tests.support.stores.log_stores import LOG_KEY, OTHER_LOG_KEY, opened


@pytest.fixture
def store(tmp_path):
    """A store with rows at every tenth offset of a log, and of another log."""
    with opened(tmp_path) as store:
        write = store.new_write()
        for number in range(2_000):
            for key in (LOG_KEY, OTHER_LOG_KEY):
                write.put(time_key(key, 1_000 + number, number * 10), b"")
        store.write(write, 0)
        yield store


def find_stale_rows(times, end_offset, kept=()):
    found, is_all = [], False
    while not is_all:
        keys, is_all = times.next(end_offset, kept)
        assert len(keys) < 1_000, "too many rows for one time slice"
        found += keys
    return found


def row(offset):
    return time_key(LOG_KEY, 1_000 + offset // 10, offset)


def test_rows_without_their_batches_are_found_piece_by_piece(store):
    times = StaleTimeIndex(store.reader, LOG_KEY)
    assert find_stale_rows(times, 25, {10}) == [row(0), row(20)]
    assert find_stale_rows(times, 25) == []
    assert find_stale_rows(times, 31, {30}) == []
    assert find_stale_rows(times, 19_990) == [row(offset) for offset in range(40, 19_990, 10)]
    assert find_stale_rows(times, 1 << 40, {19_990}) == []
