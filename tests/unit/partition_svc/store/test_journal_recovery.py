"""Recovery of stores whose journal does not match RocksDB's files group by group."""

import logging
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from common.disk.data_directory import DataDirectory
from common.disk.synced_mark import SyncedMark
from partition_svc.store.atomic_write import STATE
from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed
from partition_svc.store.journal.journal import FOLDER, Journal
from partition_svc.store.journal.journal_file import HEADER_BYTES, file_numbers, file_path
from partition_svc.store.journal.reading import MARK_NAME
from partition_svc.store.journal_recovery import JournalRecovery
from partition_svc.store.journaled_database import ReplayTarget
from partition_svc.store.keys import generation_start
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import ReadLimits
from tests.support.descriptors import open_files, path_of
from tests.support.stores.bit_rot import flip
from tests.support.stores.crash_copies import copy_open_store
from tests.support.stores.full_disk import files_limited_to
from tests.support.stores.journal_files import write_file
from tests.support.stores.log_stores import (
    LOG_KEY,
    OTHER_LOG_KEY,
    batch_files,
    opened,
    store_batches,
)

BATCHES = 1
EVERYTHING = ReadLimits(1 << 30, 1 << 30, True)


def read_all(store, log=LOG_KEY):
    return store.reader.read(log, 0, 1000, EVERYTHING).batches


def kill(path):
    """Copies an open store, as SIGKILL would leave it; returns the path of the copy."""
    copy = path.with_name(path.name + "-killed")
    copy_open_store(path, copy)
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


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def applied(monkeypatch):
    """Sequence number and families of each group that replays apply."""
    groups = []
    apply = ReplayTarget.apply

    def note(target, group):
        groups.append((group.sequence, sorted({family for family, _, _ in group.changes})))
        apply(target, group)

    monkeypatch.setattr(ReplayTarget, "apply", note)
    return groups


def test_family_that_was_flushed_before_a_kill_gets_nothing_twice(path, applied):
    with opened(path) as store:
        store_batches(store, 0, b"first")
        flushed = store.sequence
        store._database._mark()
        store._database.batch_families[0].flush(wait=True)
        store_batches(store, 10, b"second")
        killed = kill(path)
    with opened(killed) as store:
        assert applied == [
            *((sequence, [STATE]) for sequence in range(1, flushed + 1)),
            (flushed + 1, [STATE, BATCHES]),
        ]
        assert read_all(store) == [b"first", b"second"]


def test_generations_that_were_not_flushed_become_files_of_their_own(path, applied, monkeypatch):
    with opened(path) as store:
        with monkeypatch.context() as patch:
            patch.setattr(store._database, "flush", lambda **_: None)
            for number in range(3):
                store_batches(store, 10 * number, b"batch %d" % number)
                store.roll()
            killed = kill(path)
        assert len(file_numbers(killed / FOLDER)) == 4
    with opened(killed) as store:
        assert len(applied) == 4
        assert len(file_numbers(killed / FOLDER)) == 1
        assert read_all(store) == [b"batch %d" % number for number in range(3)]
        ends = [(file["start_key"][:4], file["end_key"][:4]) for file in batch_files(store)]
        assert sorted(ends) == [(generation_start(number),) * 2 for number in range(3)]


def test_replay_starts_after_the_last_flush_that_finished(path, applied):
    with opened(path) as store:
        store_batches(store, 0, b"first")
        store.roll(wait=True)
        flushed = store.sequence
        store_batches(store, 10, b"second")
        killed = kill(path)
    with opened(killed) as store:
        assert applied == [(flushed + 1, [STATE, BATCHES])]
        assert read_all(store) == [b"first", b"second"]


def test_store_that_was_closed_within_a_write_is_opened_with_it(path):
    with opened(path) as store:
        write = store.new_write()
        write.put(b"row", b"written")
        store.append(write, 0)
    for _ in range(2):
        with opened(path) as store:
            assert store.reader.row(b"row") == b"written"


def test_closed_store_has_nothing_to_replay(path, applied, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(2):
        with opened(path) as store:
            store_batches(store, 0, b"first")
    assert applied == []
    assert f"{path}: the last process closed it" in caplog.text


def test_sequence_numbers_grow_also_after_all_files_were_removed(path):
    last = 0
    for _ in range(3):
        with opened(path) as store:
            assert store.sequence > last
            store_batches(store, 0, b"batch")
            last = store.sequence
        for number in file_numbers(path / FOLDER):
            file_path(path / FOLDER, number).unlink()
    with opened(path) as store:
        assert read_all(store) == [b"batch"]


def test_journal_is_durable_before_it_is_replayed(path, monkeypatch):
    with opened(path) as store:
        store_batches(store, 0, b"first")
        killed = kill(path)
    calls = []
    fdatasync, write = os.fdatasync, Database.write

    def note_sync(fd):
        calls.append(path_of(fd).name)
        fdatasync(fd)

    def note_write(*args):
        calls.append("RocksDB")
        write(*args)

    monkeypatch.setattr(os, "fdatasync", note_sync)
    monkeypatch.setattr(Database, "write", note_write)
    with opened(killed):
        assert calls.index("00000001.journal") < calls.index("RocksDB")


def test_folder_of_the_journal_is_synced_at_each_opening(path, monkeypatch):
    # An earlier process may have been killed before it did.
    path.mkdir()
    (path / FOLDER).mkdir()
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(path_of(fd)), fsync(fd)))
    with opened(path):
        assert path in synced


def fail(*_, **__):
    raise ValueError("unforeseen")


@pytest.mark.parametrize("call", ["__init__", "remove_flushed"])
def test_store_whose_next_file_cannot_be_begun_is_read_only_and_can_be_recovered(
    path, monkeypatch, call
):
    with opened(path) as store:
        store_batches(store, 0, b"first")
        killed = kill(path)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, call, fail)
        store = LogStore(killed)
    assert not store.is_writable
    assert read_all(store) == [b"first"]
    assert not [file for file in open_files() if ".journal" in file.name]
    store.recover()
    store_batches(store, 10, b"second")
    assert read_all(store) == [b"first", b"second"]
    store.close()


def damage_first_record(folder):
    number, *_ = file_numbers(folder)
    flip(file_path(folder, number), HEADER_BYTES)


@pytest.mark.parametrize(
    "break_opening",
    [
        lambda path, _: damage_first_record(path / FOLDER),
        lambda path, _: file_path(path / FOLDER, 2).mkdir(),
        lambda _, patch: patch.setattr("partition_svc.store.log_store.LogReader", fail),
        lambda _, patch: patch.setattr("partition_svc.store.log_store.identify", fail),
        lambda _, patch: patch.setattr(Database, "write", fail),
    ],
    ids=["damage", "unreadable", "no reader", "no identity", "no replay"],
)
def test_failed_opening_leaves_no_file_open_and_unlocks_the_directory(
    path, monkeypatch, break_opening
):
    with opened(path) as store:
        store_batches(store, 0, b"first")
        store.sync()
        killed = kill(path)
    good = kill(killed)
    with monkeypatch.context() as patch:
        break_opening(killed, patch)
        with pytest.raises((StorageFailed, ValueError)) as raised:
            LogStore(killed)
        assert not isinstance(raised.value, ValueError) or "unforeseen" in str(raised.value)
        assert not [file for file in open_files() if killed in (file, *file.parents)]
    shutil.rmtree(killed / FOLDER)
    shutil.copytree(good / FOLDER, killed / FOLDER)
    with opened(killed) as store:
        assert read_all(store) == [b"first"]


def test_failed_replay_is_a_storage_failure(path, monkeypatch):
    with opened(path) as store:
        store_batches(store, 0, b"first")
        killed = kill(path)
    monkeypatch.setattr(Database, "write", fail)
    with pytest.raises(StorageFailed, match="replay the journal: unforeseen"):
        LogStore(killed)


def test_store_with_a_damaged_journal_is_not_opened_for_reading_either(path):
    with opened(path) as store:
        store_batches(store, 0, b"first")
        store.sync()
        killed = kill(path)
    damage_first_record(killed / FOLDER)
    with files_limited_to(1000), pytest.raises(StorageFailed):
        LogStore(killed)


@pytest.fixture
def recovery(path):
    """The journal of a data directory that is not opened."""
    directory = DataDirectory(path)
    yield JournalRecovery(directory, SyncedMark(path, MARK_NAME), flush_bytes=1 << 20)
    directory.close()


@pytest.mark.parametrize("tail", [b"", b"torn"])
def test_release_space_frees_only_what_was_allocated_and_never_used(path, recovery, tail):
    folder = path / FOLDER
    folder.mkdir()
    files = [write_file(folder, 1, [1, 2]), write_file(folder, 2, [3])]
    before = [file.read_bytes() for file in files]
    data = before[1].rstrip(b"\0") + tail
    files[1].write_bytes(data.ljust(len(before[1]), b"\0"))
    recovery.release_space()
    assert files[0].read_bytes() == before[0]
    assert files[1].read_bytes().rstrip(b"\0") == data
    # The end of a torn file is left to the replay, which reports it.
    assert (len(files[1].read_bytes()) == len(data)) == (not tail)


def test_release_space_leaves_a_damaged_journal_as_it_is(path, recovery):
    folder = path / FOLDER
    folder.mkdir()
    files = [write_file(folder, 1, [1, 2]), write_file(folder, 2, [5])]
    before = [file.read_bytes() for file in files]
    recovery.release_space()
    assert [file.read_bytes() for file in files] == before


def test_release_space_does_nothing_without_a_journal(path, recovery):
    recovery.release_space()
    assert list(path.iterdir()) == []
