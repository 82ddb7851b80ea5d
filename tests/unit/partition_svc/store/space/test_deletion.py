from partition_svc.store.keys import (
    COMPACTED_BIT,
    GENERATION_BYTES,
    GenerationBytes,
    LogHead,
    generation_key,
    log_key,
    producer_key,
    time_key,
)
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import ReadLimits
from tests.support.stores.log_stores import (
    LOG_KEY,
    OTHER_LOG_KEY,
    batch_files,
    opened,
    roll,
    store_batches,
)

EVERYTHING = ReadLimits(1 << 30, 1 << 30, at_least_one=True)


def fill(store: LogStore, *, log_bytes: int, other_bytes: int, generations: int = 3) -> None:
    """Writes `log_bytes` of one log and `other_bytes` of another into each generation."""
    end = 0
    for _ in range(generations):
        store_batches(store, end, b"x" * log_bytes)
        end = store_batches(store, end, b"y" * other_bytes, log=OTHER_LOG_KEY)
        roll(store)


def deleted_bytes(store: LogStore, generation: int) -> GenerationBytes:
    row = store.reader.row(generation_key(generation))
    assert row is not None
    return GenerationBytes.unpack(row)


def files_bytes(store: LogStore) -> int:
    return sum(file["size"] for file in batch_files(store))


def test_delete_log_removes_all_rows_of_the_log_and_none_of_its_neighbour(tmp_path):
    with opened(tmp_path) as store:
        fill(store, log_bytes=100, other_bytes=50)
        write = store.new_write()
        write.put(producer_key(LOG_KEY, 1), b"")
        write.put(time_key(LOG_KEY, 1, 1), b"")
        write.put(producer_key(OTHER_LOG_KEY, 1), b"")
        store.write(write, 0)

        store.delete_log(LOG_KEY)
        assert store.head(LOG_KEY) == LogHead()
        assert list(store.reader.segments(LOG_KEY)) == []
        assert list(store.reader.producers(LOG_KEY)) == []
        assert store.reader.offset_before_time(LOG_KEY, 5) == -1
        assert [key for key, _ in store.reader.heads()] == [OTHER_LOG_KEY]
        assert list(store.reader.producers(OTHER_LOG_KEY)) == [(1, b"")]
        run = store.reader.read(OTHER_LOG_KEY, 0, 100, EVERYTHING)
        assert [len(batch) for batch in run.batches] == [50, 50, 50]


def test_a_log_that_is_created_again_is_empty(tmp_path):
    with opened(tmp_path) as store:
        fill(store, log_bytes=100, other_bytes=50)
        store.delete_log(LOG_KEY)
        store_batches(store, 0, b"new")
        assert store.reader.read(LOG_KEY, 0, 100, EVERYTHING).batches == [b"new"]


def test_each_generation_counts_its_deleted_bytes(tmp_path):
    with opened(tmp_path) as store:
        fill(store, log_bytes=100, other_bytes=50, generations=2)
        store_batches(store, 20, b"z" * 7)
        store.delete_log(LOG_KEY)
        assert deleted_bytes(store, 0) == (150, 100)
        assert deleted_bytes(store, 1) == (150, 100)
        assert deleted_bytes(store, 2) == (7, 7)
        assert not store.is_generation_full
        store.end_generation()
        assert store.is_generation_full


def test_delete_log_does_nothing_if_the_log_does_not_exist(tmp_path):
    with opened(tmp_path) as store:
        fill(store, log_bytes=100, other_bytes=50)
        store.delete_log(LOG_KEY)
        store.delete_log(LOG_KEY)
        assert deleted_bytes(store, 0) == (150, 100)


def test_many_logs_are_deleted_in_one_write_and_counted_together(tmp_path):
    with opened(tmp_path) as store:
        fill(store, log_bytes=100, other_bytes=50, generations=2)
        store.delete_logs([LOG_KEY, OTHER_LOG_KEY])
        assert list(store.reader.heads()) == []
        assert [deleted_bytes(store, generation) for generation in (0, 1)] == [
            (150, 150),
            (150, 150),
        ]


def test_few_rows_are_deleted_without_range_tombstones_and_many_with_one(tmp_path):
    with opened(tmp_path) as store:
        for count in (10, 1000):
            write = store.new_write()
            for number in range(count):
                write.put(time_key(LOG_KEY, number, number), b"")
            write.put(producer_key(LOG_KEY, 1), b"")
            store.write(write, 0)
            store_batches(store, 0, b"x")
            store.delete_log(LOG_KEY)
            assert not any(True for _ in store.reader.rows(b"P", b"U"))
        # One for the batches of each deletion, and one for the 1000 rows.
        assert store._open_generation.tombstones == 3


def test_a_generation_ends_by_itself_after_very_many_deletions(tmp_path):
    with opened(tmp_path) as store:
        store.end_generation()
        assert not store.is_generation_full  # no log is deleted in it
        keys = [log_key(b"topic of 16 byte", number) for number in range(2_000)]
        for key in keys:
            store_batches(store, 0, b"x", log=key)
        store.delete_logs(keys[:-1])
        assert not store.is_generation_full
        store.delete_logs(keys[-1:])
        assert store.is_generation_full


def test_a_log_in_both_families_is_deleted_from_both(tmp_path):
    with opened(tmp_path) as store:
        end = store_batches(store, 0, b"x" * 100)
        for size in (30, 50):
            end = store_batches(store, end, b"y" * size, is_compacted=True)
        store.delete_log(LOG_KEY)
        assert deleted_bytes(store, 0) == (100, 100)
        assert deleted_bytes(store, COMPACTED_BIT) == (80, 80)
        for family in store._database.batch_families:
            # The marker of the journal stays.
            assert [key for key, _ in family.items() if len(key) > GENERATION_BYTES] == []
