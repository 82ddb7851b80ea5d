"""Recovery of stores whose journal does not match RocksDB's files group by group."""

import os
import tarfile
from pathlib import Path

import pytest

from common.disk.synced_mark import SyncedMark
from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed
from partition_svc.store.journal.journal import FOLDER
from partition_svc.store.journal.journal_file import HEADER_BYTES, file_numbers, file_path
from partition_svc.store.journal.reading import MARK_NAME
from partition_svc.store.reading import ReadLimits
from tests.support.stores.crash_copies import copied
from tests.support.stores.log_stores import LOG_KEY, OTHER_LOG_KEY, opened, store_batches

EVERYTHING = ReadLimits(1 << 30, 1 << 30, True)


def read_all(store, log=LOG_KEY):
    return store.reader.read(log, 0, 1000, EVERYTHING).batches


def kill(path):
    """Copies an open store, as SIGKILL would leave it; returns the path of the copy."""
    copy = path.with_name(path.name + "-killed")
    copied(path, copy)
    return copy


def test_numbers_of_groups_continue_after_the_markers_if_the_journal_ends_before_them(tmp_path):
    with opened(tmp_path / "data") as store:
        store_batches(store, 0, b"first")
        store_batches(store, 10, b"second")
        store.roll(wait=True)
        last = store.sequence
        killed = kill(tmp_path / "data")
    # A failed sync can lose what RocksDB has flushed.
    journal = killed / FOLDER
    for number in file_numbers(journal)[1:]:
        file_path(journal, number).unlink()
    os.truncate(file_path(journal, 1), HEADER_BYTES)
    (killed / MARK_NAME).unlink()
    with opened(killed) as store:
        assert store.sequence > last
        store_batches(store, 20, b"third")
        killed = kill(killed)
    with opened(killed) as store:
        assert read_all(store) == [b"first", b"second", b"third"]


def test_files_of_an_earlier_epoch_are_not_needed(tmp_path):
    path = tmp_path / "data"
    with opened(path) as store:
        store_batches(store, 0, b"first")
        store_batches(store, 10, b"second")
        old_file = file_path(path / FOLDER, 1).read_bytes()
    with opened(path) as store:
        store_batches(store, 20, b"third")
        killed = kill(path)
    journal = killed / FOLDER
    before = file_path(journal, file_numbers(journal)[0] - 1)
    before.write_bytes(old_file[:HEADER_BYTES])
    with opened(killed) as store:
        assert read_all(store) == [b"first", b"second", b"third"]


def test_file_of_zeros_at_the_end_is_no_damage(tmp_path):
    path = tmp_path / "data"
    with opened(path) as store:
        store_batches(store, 0, b"first")
        killed = kill(path)
    journal = killed / FOLDER
    file_path(journal, file_numbers(journal)[-1] + 1).write_bytes(bytes(1 << 20))
    with opened(killed) as store:
        assert read_all(store) == [b"first"]


def test_damaged_header_of_the_first_file_of_an_epoch_is_damage(tmp_path):
    path = tmp_path / "data"
    with opened(path) as store:
        store_batches(store, 0, b"first")
        old_file = file_path(path / FOLDER, 1).read_bytes()
    with opened(path) as store:
        store_batches(store, 10, b"second")
        store.roll(wait=True)
        store_batches(store, 20, b"third")
        killed = kill(path)
    journal = killed / FOLDER
    first, *_ = file_numbers(journal)
    file_path(journal, first - 1).write_bytes(old_file)
    data = bytearray(file_path(journal, first).read_bytes())
    data[9] ^= 1
    file_path(journal, first).write_bytes(data)
    with pytest.raises(StorageFailed, match=f"damaged in {first:08d}.journal"), opened(killed):
        pass


@pytest.fixture
def older_store(tmp_path):
    """A killed store of the last release without a journal.

    It was made with a LogStore of that release and a flush size of 64 KiB: two batches of a log in
    `batches`, one of a log in `compacted`, a sync, and the end of the generation; then one more
    batch in each, a sync, and one batch that was not synced; then SIGKILL. LOG and LOCK were
    removed.
    """
    with tarfile.open(Path(__file__).with_name("data") / "store-without-journal.tar.gz") as archive:
        archive.extractall(tmp_path / "data", filter="data")
    return tmp_path / "data"


def batches_of(name, numbers):
    return [f"{name} {number} ".encode().ljust(200, b".") for number in numbers]


def test_store_of_a_release_without_a_journal_is_taken_over(older_store):
    with opened(older_store) as store:
        assert read_all(store) == batches_of("plain", range(4))
        assert read_all(store, OTHER_LOG_KEY) == batches_of("compacted", range(2))
        # Numbers continue after RocksDB's, which the mark names.
        assert store.sequence > 21
        store_batches(store, 40, *batches_of("plain", [4]))
        store_batches(
            store, 20, *batches_of("compacted", [2]), log=OTHER_LOG_KEY, is_compacted=True
        )
        store.sync()
        killed = kill(older_store)
    with opened(killed) as store:
        assert read_all(store) == batches_of("plain", range(5))
        assert read_all(store, OTHER_LOG_KEY) == batches_of("compacted", range(3))


def test_closed_store_that_an_older_release_has_written_to_is_accepted(tmp_path, caplog):
    path = tmp_path / "data"
    with opened(path) as store:
        store_batches(store, 0, b"first")
    # That release writes to RocksDB's log, and has a mark with RocksDB's numbers.
    database = Database(path)
    database.state.put(b"row", b"written")
    mark = SyncedMark(path)
    mark.begin(database.sequence + 1000)
    mark.close()
    database.close()
    with opened(path) as store:
        assert read_all(store) == [b"first"]
        assert store.reader.row(b"row") == b"written"
        killed = kill(path)
    assert "at least 1000 synced changes are LOST" in caplog.text
    caplog.clear()
    with opened(killed) as store:
        assert read_all(store) == [b"first"]
    # The older mark was reported once.
    assert "LOST" not in caplog.text
