import pytest

from partition_svc.store.keys import (
    GenerationBytes,
    compacted_key,
    generation_key,
    head_key,
    pack_u64,
)
from partition_svc.store.reading import ReadLimits
from partition_svc.store.space.replacing import Replacement
from tests.support.stores.log_stores import (
    LOG_KEY,
    OTHER_LOG_KEY,
    batch_files,
    opened,
    reclaim,
    roll,
    store_batches,
)

EVERYTHING = ReadLimits(1 << 30, 1 << 30, at_least_one=True)


@pytest.fixture
def store(tmp_path):
    """A store with three segments, each of batches of 10 and 20 bytes, and another log."""
    with opened(tmp_path) as store:
        end = 0
        for generation in (b"a", b"b", b"c"):
            end = store_batches(store, end, generation * 10, generation * 20)
            store_batches(store, 0, b"other" * 4, log=OTHER_LOG_KEY)
            roll(store)
        yield store


def replace(store, *replacements):
    write = store.new_write()
    head = store.head(LOG_KEY)
    removed_bytes = store.replace(write, LOG_KEY, head.size_bytes, replacements)
    write.put(head_key(LOG_KEY), head._replace(size_bytes=head.size_bytes - removed_bytes).pack())
    store.write(write, 0)
    return removed_bytes


def read(store, offset=0, log=LOG_KEY):
    return store.reader.read(log, offset, 60, EVERYTHING).batches


def generation_bytes(store, generation):
    return GenerationBytes.unpack(store.reader.row(generation_key(generation)))


def test_replace_puts_one_batch_in_place_of_another_and_removes_one(store):
    assert replace(store, Replacement(9, 10, b"A"), Replacement(39, 20, None)) == 29
    assert read(store) == [b"A", b"a" * 20, b"b" * 10, b"c" * 10, b"c" * 20]
    assert read(store, 31) == [b"c" * 10, b"c" * 20]
    assert list(store.reader.segments(LOG_KEY)) == [(0, 0, 0), (20, 1, 21), (40, 2, 31)]
    assert store.head(LOG_KEY).size_bytes == 61
    assert read(store, log=OTHER_LOG_KEY) == [b"other" * 4]


def test_a_segment_without_batches_has_no_row(store):
    replace(store, Replacement(9, 10, None), Replacement(19, 20, None), Replacement(29, 10, None))
    assert list(store.reader.segments(LOG_KEY)) == [(20, 1, 0), (40, 2, 20)]
    for offset in (0, 9, 19, 29, 39):
        assert read(store, offset) == [b"b" * 20, b"c" * 10, b"c" * 20]
    replace(store, Replacement(39, 20, None))
    assert list(store.reader.segments(LOG_KEY)) == [(40, 2, 0)]
    assert read(store) == read(store, 39) == [b"c" * 10, b"c" * 20]
    store.delete_log(LOG_KEY)
    assert read(store) == []


def test_generations_count_added_and_removed_bytes(store):
    replace(store, Replacement(9, 10, b"A"), Replacement(19, 20, None))
    assert generation_bytes(store, 0) == (51, 30)
    assert generation_bytes(store, 1) == (50, 0)
    store_batches(store, 60, b"d" * 40)
    replace(store, Replacement(69, 40, b"dd"))
    assert generation_bytes(store, 3) == (42, 40)


def test_replacements_count_towards_the_size_of_the_generation(tmp_path):
    with opened(tmp_path, flush_bytes=100) as store:
        store_batches(store, 0, b"a" * 50, b"a" * 30)
        replace(store, Replacement(9, 50, b"b" * 20))
        assert store.is_generation_full


def test_the_space_of_removed_batches_is_reclaimed(tmp_path):
    with opened(tmp_path) as store:
        for number in range(3):
            store_batches(store, number * 20, b"x" * 1_000_000, b"y" * 1000)
            roll(store)
        replace(store, *(Replacement(number * 20 + 9, 1_000_000, None) for number in range(2)))
        roll(store)
        reclaimed = reclaim(store)
        assert reclaimed == {0: 1_000_000, 1: 1_000_000}
        assert sum(file["size"] for file in batch_files(store)) < 1_100_000
        store.note_reclaimed(reclaimed)
        assert generation_bytes(store, 0) == (1000, 0)
        assert [len(batch) for batch in read(store)] == [1000, 1000, 1_000_000, 1000]


def test_deletion_of_a_log_removes_its_compacted_offset(store):
    write = store.new_write()
    write.put(compacted_key(LOG_KEY), pack_u64(40))
    store.write(write, 0)
    assert store.reader.compacted_to(LOG_KEY) == 40
    assert store.reader.compacted_to(OTHER_LOG_KEY) == 0
    store.delete_log(LOG_KEY)
    assert store.reader.compacted_to(LOG_KEY) == 0
