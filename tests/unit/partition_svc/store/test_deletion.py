from collections import Counter

from partition_svc.store.keys import (
    COMPACTED_BIT,
    GenerationBytes,
    LogHead,
    generation_key,
    producer_key,
    segment_key,
    time_key,
)
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import Limits
from tests.support.log_stores import (
    LOG_KEY,
    OTHER_LOG_KEY,
    batch_files,
    opened,
    roll,
    store_batches,
)

EVERYTHING = Limits(1 << 30, 1 << 30, one=True)


def fill(store: LogStore, *, mine: int, others: int, generations: int = 3) -> None:
    """Two logs in each generation, with so many bytes each."""
    end = 0
    for _ in range(generations):
        store_batches(store, end, b"x" * mine)
        end = store_batches(store, end, b"y" * others, log=OTHER_LOG_KEY)
        roll(store)


def deleted_bytes(store: LogStore, generation: int) -> GenerationBytes:
    row = store.reader.row(generation_key(generation))
    assert row is not None
    return GenerationBytes.unpack(row)


def files_bytes(store: LogStore) -> int:
    return sum(one["size"] for one in batch_files(store))


def test_a_deleted_log_leaves_nothing_and_its_neighbour_everything(tmp_path):
    with opened(tmp_path) as store:
        fill(store, mine=100, others=50)
        group = store.new_group()
        group.put(producer_key(LOG_KEY, 1), b"")
        group.put(time_key(LOG_KEY, 1, 1), b"")
        group.put(producer_key(OTHER_LOG_KEY, 1), b"")
        store.write(group, 0)

        store.delete_log(LOG_KEY)
        assert store.head(LOG_KEY) == LogHead()
        assert list(store.reader.segments(LOG_KEY)) == []
        assert list(store.reader.producers(LOG_KEY)) == []
        assert store.reader.offset_before_time(LOG_KEY, 5) == -1
        assert [key for key, _ in store.heads()] == [OTHER_LOG_KEY]
        assert list(store.reader.producers(OTHER_LOG_KEY)) == [(1, b"")]
        run = store.reader.read(OTHER_LOG_KEY, 0, 100, EVERYTHING)
        assert [len(one) for one in run.batches] == [50, 50, 50]


def test_a_log_with_the_same_key_begins_anew(tmp_path):
    with opened(tmp_path) as store:
        fill(store, mine=100, others=50)
        store.delete_log(LOG_KEY)
        store_batches(store, 0, b"new")
        assert store.reader.read(LOG_KEY, 0, 100, EVERYTHING).batches == [b"new"]


def test_each_generation_knows_how_much_of_it_is_deleted(tmp_path):
    with opened(tmp_path) as store:
        fill(store, mine=100, others=50, generations=2)
        store_batches(store, 20, b"z" * 7)
        store.delete_log(LOG_KEY)
        assert deleted_bytes(store, 0) == (150, 100)
        assert deleted_bytes(store, 1) == (150, 100)
        assert deleted_bytes(store, 2) == (7, 7)
        assert store.is_roll_due


def test_deleting_what_is_not_there_does_nothing(tmp_path):
    with opened(tmp_path) as store:
        fill(store, mine=100, others=50)
        store.delete_log(LOG_KEY)
        store.delete_log(LOG_KEY)
        assert deleted_bytes(store, 0) == (150, 100)


def test_space_comes_back_where_most_is_deleted(tmp_path):
    with opened(tmp_path) as store:
        fill(store, mine=1_000_000, others=1000)
        before = files_bytes(store)
        store.delete_log(LOG_KEY)
        roll(store)
        reclaimed = store.reclaim()
        assert reclaimed == Counter({0: 1_000_000, 1: 1_000_000, 2: 1_000_000})
        assert before > 3_000_000 > 100_000 > files_bytes(store)
        store.note_reclaimed(reclaimed)
        assert deleted_bytes(store, 0) == (1000, 0)
        assert store.reclaim() == Counter()
        assert len(store.reader.read(OTHER_LOG_KEY, 0, 100, EVERYTHING).batches) == 3


def test_files_of_which_little_is_deleted_are_left_alone(tmp_path):
    with opened(tmp_path) as store:
        fill(store, mine=1000, others=1_000_000)
        store.delete_log(LOG_KEY)
        roll(store)
        assert store.reclaim() == Counter()


def test_the_generation_in_memory_is_not_compacted(tmp_path):
    with opened(tmp_path) as store:
        store_batches(store, 0, b"x" * 100)
        store.delete_log(LOG_KEY)
        assert store.reclaim() == Counter()
        assert store.reader.row(segment_key(LOG_KEY, 0)) is None


def test_a_log_in_both_families_is_deleted_from_both(tmp_path):
    with opened(tmp_path) as store:
        end = store_batches(store, 0, b"x" * 100)
        for size in (30, 50):
            end = store_batches(store, end, b"y" * size, is_compacted=True)
        store.delete_log(LOG_KEY)
        assert deleted_bytes(store, 0) == (100, 100)
        assert deleted_bytes(store, COMPACTED_BIT) == (80, 80)
        for family in store._database.batch_families:
            assert list(family.keys()) == []


def test_the_space_of_compacted_logs_comes_back_once_it_is_much(tmp_path):
    with opened(tmp_path, flush_bytes=16_000_000) as store:
        for log in (LOG_KEY, OTHER_LOG_KEY):
            store_batches(store, 0, b"x" * 3_000_000, log=log, is_compacted=True)
            roll(store)
        store.delete_log(LOG_KEY)
        roll(store)
        assert store.reclaim() == Counter()
        store.delete_log(OTHER_LOG_KEY)
        roll(store)
        reclaimed = store.reclaim()
        assert reclaimed.keys() == {COMPACTED_BIT, COMPACTED_BIT + 1}
        assert files_bytes(store) < 100_000
        store.note_reclaimed(reclaimed)
        assert store.reclaim() == Counter()
