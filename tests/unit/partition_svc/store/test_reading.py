import pytest

from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import LAST, epoch_key, pack_u64, producer_key, segment_key, time_key
from partition_svc.store.reading import ReadLimits
from tests.support.stores.log_stores import LOG_KEY, OTHER_LOG_KEY, opened, store_batches

EVERYTHING = ReadLimits(1 << 20, 1 << 20, at_least_one=True)


@pytest.fixture
def store(tmp_path):
    """A store with a log of three generations, and a log whose keys come right after it."""
    with opened(tmp_path) as store:
        end = 0
        for generation in (b"a", b"b", b"c"):
            end = store_batches(store, end, generation * 10, generation * 20)
            store_batches(store, 0, b"other" * 4, log=OTHER_LOG_KEY)
            store.roll()
        yield store


def read(store, offset, end_offset=60, limits=EVERYTHING):
    return store.reader.read(LOG_KEY, offset, end_offset, limits)


def test_a_read_continues_through_generations(store):
    run = read(store, 0)
    assert run.batches == [x * size for x in (b"a", b"b", b"c") for size in (10, 20)]
    assert (run.size_bytes, run.next_offset) == (90, 60)


@pytest.mark.parametrize(("offset", "first"), [(9, b"a" * 10), (10, b"a" * 20), (25, b"b" * 10)])
def test_a_read_begins_with_the_batch_that_contains_the_offset(store, offset, first):
    assert read(store, offset).batches[0] == first


def test_a_read_stops_at_the_end_offset(store):
    run = read(store, 5, end_offset=30)
    assert (len(run.batches), run.next_offset) == (3, 30)
    assert read(store, 60).batches == []


def test_a_read_stops_at_its_limits_between_batches(store):
    run = read(store, 0, limits=ReadLimits(35, 35, at_least_one=True))
    assert [len(batch) for batch in run.batches] == [10, 20]
    assert read(store, 0, limits=ReadLimits(100, 25, at_least_one=True)).next_offset == 20


def test_the_first_batch_may_exceed_the_limits_if_at_least_one_is_wanted(store):
    assert len(read(store, 10, limits=ReadLimits(5, 5, at_least_one=True)).batches) == 1
    run = read(store, 10, limits=ReadLimits(5, 5, at_least_one=False))
    assert (run.batches, run.next_offset) == ([], 10)


def test_a_log_without_rows_is_empty(tmp_path):
    with opened(tmp_path) as store:
        assert read(store, 0).batches == []
        assert list(store.reader.segments(LOG_KEY)) == []
        assert store.reader.offset_before_time(LOG_KEY, 5) == -1


def test_a_generation_that_has_two_segments_of_a_log_is_read_once(tmp_path):
    with opened(tmp_path) as store:
        end = store_batches(store, 0, b"first", b"second")
        store_batches(store, end, b"third")
        assert read(store, 0).batches == [b"first", b"second", b"third"]
        assert read(store, 20).batches == [b"third"]


def test_a_log_is_read_through_both_families(tmp_path):
    """The topic became compacted, and then no longer compacted, within one generation."""
    with opened(tmp_path) as store:
        end = store_batches(store, 0, b"plain")
        end = store_batches(store, end, b"compacted", is_compacted=True)
        store_batches(store, end, b"plain again")
        assert read(store, 0).batches == [b"plain", b"compacted", b"plain again"]
        assert read(store, 15).batches == [b"compacted", b"plain again"]
        assert read(store, 20).batches == [b"plain again"]
        assert read(store, 0, end_offset=20).batches == [b"plain", b"compacted"]


def test_segments_have_their_generation_and_the_bytes_before_them(store):
    assert list(store.reader.segments(LOG_KEY)) == [(0, 0, 0), (20, 1, 30), (40, 2, 60)]


def test_the_time_index_returns_an_offset_before_the_time(store):
    write = store.new_write()
    for timestamp, offset in ((100, 9), (200, 29), (200, 39)):
        write.put(time_key(LOG_KEY, timestamp, offset), b"")
    write.put(time_key(OTHER_LOG_KEY, 1, 1), b"")
    store.write(write, 0)
    found = [store.reader.offset_before_time(LOG_KEY, time) for time in (99, 100, 101, 200, 201)]
    assert found == [-1, -1, 9, 9, 39]
    assert store.reader.offset_before_time(LOG_KEY, LAST) == 39


def test_producers_returns_only_producers_of_the_log(store):
    write = store.new_write()
    for log, producer_id in ((LOG_KEY, 5), (LOG_KEY, 1 << 40), (OTHER_LOG_KEY, 6)):
        write.put(producer_key(log, producer_id), b"state")
    store.write(write, 0)
    assert list(store.reader.producers(LOG_KEY)) == [(5, b"state"), (1 << 40, b"state")]


def test_a_range_of_rows_excludes_its_end(store):
    write = store.new_write()
    for key in (b"x1", b"x2", b"x3"):
        write.put(key, b"")
    store.write(write, 0)
    assert [key for key, _ in store.reader.rows(b"x1", b"x3")] == [b"x1", b"x2"]
    assert store.reader.last_row(b"x1", b"x3") == (b"x2", b"")
    assert store.reader.last_row(b"x0", b"x1") is None


def test_reads_of_a_closed_database_raise_storage_failed(tmp_path):
    with opened(tmp_path) as store:
        reader = store.reader
    for call in (
        lambda: reader.row(b"x"),
        lambda: reader.last_row(b"x", b"y"),
        lambda: list(reader.rows(b"x", b"y")),
        lambda: reader.read(LOG_KEY, 0, 10, EVERYTHING),
    ):
        with pytest.raises(StorageFailed):
            call()


def test_some_rows_returns_whole_rows_up_to_a_size(store):
    write = store.new_write()
    keys = [producer_key(LOG_KEY, number) for number in range(5)]
    for key in keys:
        write.put(key, b"x" * 71)
    store.write(write, 0)
    found, is_all = store.reader.some_rows(keys[0], keys[-1] + b"\0", 150)
    assert ([key for key, _ in found], is_all) == (keys[:2], False)
    found, is_all = store.reader.some_rows(keys[2], keys[-1] + b"\0", 300)
    assert ([key for key, _ in found], is_all) == (keys[2:], True)
    assert store.reader.some_rows(keys[-1] + b"\0", keys[-1] + b"\1", 300) == ([], True)


def test_epochs_returns_only_epochs_of_the_log(store):
    write = store.new_write()
    for log, epoch, start in ((LOG_KEY, 3, 10), (LOG_KEY, 1 << 20, 20), (OTHER_LOG_KEY, 5, 1)):
        write.put(epoch_key(log, epoch), pack_u64(start))
    store.write(write, 0)
    assert list(store.reader.epochs(LOG_KEY)) == [(3, 10), (1 << 20, 20)]


def test_last_segment_has_its_generation_and_the_bytes_before_it(store):
    assert store.reader.last_segment(LOG_KEY) == (store.generation - 1, 60)
    assert store.reader.last_segment(b"?" * 20) == (-1, 0)


def test_a_read_before_the_first_segment_begins_with_it(store):
    """Compaction has removed the first segment."""
    write = store.new_write()
    write.delete(segment_key(LOG_KEY, 0))
    store.write(write, 0)
    assert read(store, 5).batches == [x * size for x in (b"b", b"c") for size in (10, 20)]
    assert store.reader.read(b"unknown log, 20 byte", 5, 60, EVERYTHING).batches == []
