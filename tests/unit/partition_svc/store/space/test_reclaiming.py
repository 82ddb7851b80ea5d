import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from partition_svc.store.keys import (
    COMPACTED_BIT,
    GENERATION_BYTES,
    GenerationBytes,
    generation_key,
    generation_start,
    log_key,
    segment_key,
)
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import ReadLimits
from tests.support.stores.bit_rot import damage
from tests.support.stores.log_stores import (
    LOG_KEY,
    OTHER_LOG_KEY,
    batch_files,
    opened,
    reclaim,
    roll,
    store_batches,
)
from tests.support.waiting import eventually

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


def test_space_is_reclaimed_where_most_bytes_are_deleted(tmp_path):
    with opened(tmp_path) as store:
        fill(store, log_bytes=1_000_000, other_bytes=1000)
        before = files_bytes(store)
        store.delete_log(LOG_KEY)
        roll(store)
        reclaimed = reclaim(store)
        assert reclaimed == Counter({0: 1_000_000, 1: 1_000_000, 2: 1_000_000})
        assert before > 3_000_000 > 100_000 > files_bytes(store)
        store.note_reclaimed(reclaimed)
        assert deleted_bytes(store, 0) == (1000, 0)
        assert reclaim(store) == Counter()
        assert len(store.reader.read(OTHER_LOG_KEY, 0, 100, EVERYTHING).batches) == 3


def test_files_with_few_deleted_bytes_are_not_rewritten(tmp_path):
    with opened(tmp_path) as store:
        fill(store, log_bytes=1000, other_bytes=1_000_000)
        store.delete_log(LOG_KEY)
        roll(store)
        assert reclaim(store) == Counter()


def test_the_generation_in_memory_is_not_compacted(tmp_path):
    with opened(tmp_path) as store:
        store_batches(store, 0, b"x" * 100)
        store.delete_log(LOG_KEY)
        assert reclaim(store) == Counter()
        assert store.reader.row(segment_key(LOG_KEY, 0)) is None


def test_the_space_of_compacted_logs_is_reclaimed_once_it_is_large(tmp_path):
    with opened(tmp_path, flush_bytes=16_000_000) as store:
        for log in (LOG_KEY, OTHER_LOG_KEY):
            store_batches(store, 0, b"x" * 3_000_000, log=log, is_compacted=True)
            roll(store)
        store.delete_log(LOG_KEY)
        roll(store)
        assert reclaim(store) == Counter()
        store.delete_log(OTHER_LOG_KEY)
        roll(store)
        reclaimed = reclaim(store)
        assert reclaimed.keys() == {COMPACTED_BIT, COMPACTED_BIT + 1}
        assert files_bytes(store) < 100_000
        store.note_reclaimed(reclaimed)
        assert reclaim(store) == Counter()


def test_one_generation_with_few_deleted_bytes_is_rewritten_at_a_time_if_the_disk_is_short(
    tmp_path,
):
    with opened(tmp_path) as store:
        fill(store, log_bytes=200_000, other_bytes=1_000_000, generations=2)
        store_batches(store, 20, b"x" * 200_000)
        store_batches(store, 20, b"y" * 500_000, log=OTHER_LOG_KEY)
        roll(store)
        store.delete_log(LOG_KEY)
        roll(store)
        find = store.reclaimer.find
        assert find(store.generation, 600_000, is_short=False) == Counter()
        # Of the generations that fit, the one with the fewest live bytes first.
        assert find(store.generation, 600_000, is_short=True) == Counter({2: 200_000})
        assert find(store.generation, 400_000, is_short=True) == Counter()
        store.room.is_short = lambda _: True
        freed = []
        while reclaimed := reclaim(store):
            store.note_reclaimed(reclaimed)
            freed.append(dict(reclaimed))
        assert freed == [{2: 200_000}, {0: 200_000}, {1: 200_000}]
        assert files_bytes(store) < 2_600_000


@pytest.mark.parametrize(
    ("free_bytes", "expected"),
    [
        (1 << 40, [[1, 2], [3, 4], [6], [COMPACTED_BIT | 1]]),
        # The new files need room beside the old ones.
        (3 << 30, [[1], [2], [3], [4], [6], [COMPACTED_BIT | 1]]),
    ],
    ids=["much room", "less room"],
)
def test_find_limits_the_bytes_that_one_run_rewrites(tmp_path, free_bytes, expected):
    with opened(tmp_path) as store:
        write = store.new_write()
        row = GenerationBytes(400 << 20, 300 << 20).pack()
        for number in (1, 2, 3, 4, 6, COMPACTED_BIT | 1):
            write.put(generation_key(number), row)
        store.write(write, 0)
        runs = []
        while found := store.reclaimer.find(7, free_bytes, is_short=False):
            store.note_reclaimed(found)
            runs.append(sorted(found))
        assert runs == expected


def test_files_of_other_generations_are_not_rewritten(tmp_path):
    third = log_key(b"topic of 16 byte", 2)
    with opened(tmp_path) as store:
        end = 0
        for generation in range(6):
            # The deleted log is most of generations 2 and 3, and little of the others.
            log_bytes = 900_000 if generation in (2, 3) else 1000
            store_batches(store, end, b"x" * log_bytes)
            end = store_batches(store, end, b"y" * 300_000, log=third)
            roll(store)
        before = {file["name"] for file in batch_files(store)}
        store.delete_log(LOG_KEY)
        found = reclaim(store)
        assert sorted(found) == [2, 3]
        store.note_reclaimed(found)
        assert len(before & {file["name"] for file in batch_files(store)}) == 4
        assert files_bytes(store) < 2_000_000
        assert len(store.reader.read(third, 0, 100, EVERYTHING).batches) == 6


def test_deleted_logs_are_recorded_until_their_space_is_reclaimed(tmp_path):
    with opened(tmp_path) as store:
        fill(store, log_bytes=100_000, other_bytes=100)
        store.delete_log(LOG_KEY)
    # Killed after the deletion, and again after its tombstones were written.
    for _ in range(2):
        with opened(tmp_path) as store:
            found = store.find_reclaimable()
            assert sorted(found) == [0, 1, 2]
            store.write_tombstones(found)
    with opened(tmp_path) as store:
        store.note_reclaimed(reclaim(store))
        assert files_bytes(store) < 50_000
        assert not any(store.reader.rows(b"D", b"E"))
        assert store.find_reclaimable() == Counter()


def keys_of(store: LogStore) -> list[bytes]:
    """All keys of the family of plain batches."""
    return list(store._database.batch_families[0].keys())


def test_generation_without_logs_leaves_no_file(tmp_path):
    with opened(tmp_path) as store:
        fill(store, log_bytes=100_000, other_bytes=0, generations=2)
        store_batches(store, 100, b"y" * 1000, log=OTHER_LOG_KEY)
        roll(store)
        assert sorted(first for first, _ in generations_of_files(store)) == [
            generation_start(number) for number in range(3)
        ]
        store.delete_log(LOG_KEY)
        store.delete_log(OTHER_LOG_KEY)
        roll(store)
        reclaimed = reclaim(store)
        assert sorted(reclaimed) == [0, 1, 2]
        store.note_reclaimed(reclaimed)
        # The marker of the newest generation says where the family's replay would begin.
        assert keys_of(store) == [generation_start(2)]
        assert generations_of_files(store) == [(generation_start(2), generation_start(2))]
        newest_marker = store._database.markers()[1]
        store_batches(store, 0, b"z")
    with opened(tmp_path) as store:
        assert store._database.markers()[1] > newest_marker > 0
        assert len(store.reader.read(LOG_KEY, 0, 100, EVERYTHING).batches) == 1


def test_space_is_reclaimed_although_the_newest_file_is_damaged(tmp_path):
    with opened(tmp_path) as store:
        fill(store, log_bytes=100_000, other_bytes=100, generations=2)
        store_batches(store, 20, b"newest" * 100, log=OTHER_LOG_KEY)
    damage(tmp_path, b"newest")
    with opened(tmp_path) as store:
        store.delete_log(LOG_KEY)
        reclaimed = reclaim(store)
        assert sorted(reclaimed) == [0, 1]
        assert files_bytes(store) < 50_000


def test_rewritten_generation_keeps_its_marker_only_if_it_is_the_newest(tmp_path):
    with opened(tmp_path) as store:
        fill(store, log_bytes=100_000, other_bytes=100, generations=2)
        store.delete_log(LOG_KEY)
        roll(store)
        before = store._database.markers()
        store.note_reclaimed(reclaim(store))
        markers = [key for key in keys_of(store) if len(key) == GENERATION_BYTES]
        assert markers == [generation_start(1)]
        assert store._database.markers() == before


def test_files_of_generations_with_markers_do_not_overlap(tmp_path):
    with opened(tmp_path) as store:
        for generation in range(4):
            # The marker precedes all batches of its generation, also those of the first log.
            for log in (bytes(20), OTHER_LOG_KEY):
                for is_compacted in (False, True):
                    end = generation * 10
                    store_batches(store, end, b"x", log=log, is_compacted=is_compacted)
            roll(store)
        ranges = sorted(generations_of_files(store))
        assert [first for first, last in ranges if first == last] == [
            generation_start(family | generation)
            for family in (0, COMPACTED_BIT)
            for generation in range(4)
        ]
        for file in batch_files(store):
            # A file begins with its marker.
            assert len(file["start_key"]) == GENERATION_BYTES < len(file["end_key"])
        assert store._database.markers() == [store.sequence] * 3


def copy_files(path: Path, to: Path) -> None:
    """Copies the files that a process would leave if it were killed now."""
    to.mkdir()
    shutil.copytree(path / "journal", to / "journal")
    for file in path.iterdir():
        # RocksDB removes files that it no longer needs in a thread of its own.
        with suppress(FileNotFoundError, IsADirectoryError):
            shutil.copyfile(file, to / file.name)


def generations_of_files(store: LogStore) -> list[tuple[bytes, bytes]]:
    """Returns the first and the last generation of each file of batches."""
    return [(file["start_key"][:4], file["end_key"][:4]) for file in batch_files(store)]


def test_a_kill_leaves_no_file_that_reaches_from_tombstones_to_new_batches(tmp_path, monkeypatch):
    path, copies = tmp_path / "store", [tmp_path / f"copy-{number}" for number in range(3)]
    with opened(path) as store:
        fill(store, log_bytes=200_000, other_bytes=100_000, generations=1)
        # In memory, and slow to flush.
        store_batches(store, 100, *[b"y" * 1_000_000] * 8, log=OTHER_LOG_KEY)
        store.delete_log(LOG_KEY)
        flush, copies_at_flush = store._database.flush, copies[:2]

        def flush_after_copy(**options):
            copy_files(path, copies_at_flush.pop(0))
            flush(**options)

        monkeypatch.setattr(store._database, "flush", flush_after_copy)
        store.write_tombstones([0])
        store_batches(store, 200, b"y" * 1000, log=OTHER_LOG_KEY)
        copy_files(path, copies[2])
        monkeypatch.undo()
    for copy in copies:
        with opened(copy) as store:
            ranges = generations_of_files(store)
            assert len(ranges) >= 2
            assert [(first, last) for first, last in ranges if first != last] == []


def test_tombstones_of_several_rewrites_are_not_merged_with_all_between(tmp_path):
    third = log_key(b"topic of 16 byte", 2)
    deleted_from = 1, 9
    with opened(tmp_path) as store:
        end = 0
        for generation in range(12):
            store_batches(store, end, b"x" * (900_000 if generation in deleted_from else 1000))
            end = store_batches(store, end, b"y" * 300_000, log=third)
            roll(store)
        before = {file["name"] for file in batch_files(store)}
        store.delete_log(LOG_KEY)
        for _ in range(3):
            for generation in deleted_from:
                # As if the process were killed each time before it rewrites.
                store.write_tombstones([generation])
    with opened(tmp_path) as store:
        for generation in deleted_from:
            found = reclaim(store)
            assert sorted(found) == [generation]
            store.note_reclaimed(found)
        settle(store)
        assert files_bytes(store) < 4_000_000
        assert len(before & {file["name"] for file in batch_files(store)}) == 12 - len(deleted_from)
        assert len(store.reader.read(third, 0, 120, EVERYTHING).batches) == 12


def settle(store: LogStore) -> None:
    """Waits until RocksDB compacts nothing by itself."""
    number = store._database.number
    eventually(
        lambda: (
            not number("rocksdb.num-running-compactions")
            and not number("rocksdb.compaction-pending")
        ),
        what="the end of compactions",
    )


def test_writing_tombstones_leaves_no_old_file_of_the_journal(tmp_path):
    """Each rewrite begins a file: on a full disk many in a row would leave no room for the next."""
    with opened(tmp_path) as store:
        fill(store, log_bytes=1000, other_bytes=10)
        store.delete_log(LOG_KEY)
        roll(store)
        assert store.journaled.has_old_files
        store.write_tombstones(store.find_reclaimable())
        assert not store.journaled.has_old_files
