import os

import pytest

from partition_svc.store.atomic_write import PUT, STATE
from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed
from partition_svc.store.journal.journal_file import file_numbers
from partition_svc.store.journal.record import ChangeGroup
from partition_svc.store.journaled_database import JournaledDatabase, ReplayTarget
from partition_svc.store.keys import GENERATION_BYTES, generation_start
from tests.support.descriptors import open_files
from tests.support.stores.bit_rot import is_in_files
from tests.support.stores.full_disk import files_limited_to
from tests.support.stores.journal_files import CHUNK_BYTES, new_journal, read

BATCHES = 1


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "journal"
    folder.mkdir()
    return folder


@pytest.fixture
def database(tmp_path, folder):
    database = JournaledDatabase(Database(tmp_path / "rocksdb"), new_journal(folder))
    yield database
    database.close()


def batch_key(generation, name=b"batch"):
    return generation_start(generation) + name


def write(database, name=b"key", generation=0):
    batch = [batch_key(generation, name), b"a batch"]
    changes = [(STATE, PUT, [name, b"1"]), (BATCHES, PUT, batch)]
    database.write(changes, generation)


def test_group_is_in_the_journal_and_in_rocksdb(database, folder):
    write(database)
    assert (database.sequence, database.is_writable) == (1, True)
    assert database.database.state.get(b"key") == b"1"
    assert read(folder)[0] == [1]
    assert database.sync() == 1


def test_group_that_the_journal_refuses_is_not_in_rocksdb(database):
    with files_limited_to(CHUNK_BYTES), pytest.raises(OSError, match="File too large"):
        database.write([(STATE, PUT, [b"key", b"x" * CHUNK_BYTES])], 0)
    assert database.database.state.get(b"key") is None


def fail(*_, **__):
    raise OSError("broken")


def roll(database):
    database.roll(wait=False)


@pytest.mark.parametrize(
    ("broken", "call"),
    [
        ("os.pwritev", write),
        ("os.fdatasync", JournaledDatabase.sync),
        ("os.fdatasync", roll),
        ("os.fsync", roll),
        ("partition_svc.store.database.Database.flush", roll),
    ],
)
def test_nothing_is_written_after_a_failure(database, folder, monkeypatch, broken, call):
    write(database, b"before")
    with monkeypatch.context() as patch:
        patch.setattr(broken, fail)
        with pytest.raises(OSError, match="broken"):
            call(database)
    assert not database.is_writable
    for use in (write, JournaledDatabase.sync, roll):
        with pytest.raises(StorageFailed, match="broken"):
            use(database)
    assert read(folder)[0] == [1]
    assert database.database.state.get(b"key") is None


def test_rocksdb_that_refuses_a_group_gets_no_other(database, folder, monkeypatch):
    write(database, b"before")
    monkeypatch.setattr(database.database, "write", fail)
    with pytest.raises(OSError, match="broken"):
        write(database)
    with pytest.raises(StorageFailed, match="broken"):
        write(database)
    # It was refused, so the next opening does not apply it, and finds no torn end.
    groups, end = read(folder)
    assert (groups, end.unreadable_bytes) == ([1], 0)


def test_refused_group_that_cannot_be_taken_back_is_applied_later(database, folder, monkeypatch):
    monkeypatch.setattr(database.database, "write", fail)
    monkeypatch.setattr("os.pwrite", fail)
    with pytest.raises(OSError, match="broken"):
        write(database)
    assert read(folder)[0] == [1]


def test_group_that_was_not_applied_stays_in_the_journal(database, folder):
    database.append([(STATE, PUT, [b"key", b"1"])], 0)
    assert database.database.state.get(b"key") is None
    # As if the caller were cancelled between the two halves.
    for use in (write, JournaledDatabase.sync, roll):
        with pytest.raises(StorageFailed, match="the last change was not completed"):
            use(database)
    database.remove_flushed()
    assert (file_numbers(folder), read(folder)[0]) == ([1], [1])


def test_files_stay_after_a_failed_roll(database, folder, monkeypatch):
    write(database)
    monkeypatch.setattr(database.database, "flush", fail)
    with pytest.raises(OSError, match="broken"):
        database.roll(wait=True)
    # Nothing was handed over, so no memtable waits for its flush.
    database.remove_flushed()
    assert read(folder)[0] == [1]


def test_roll_begins_a_file_and_flushes_the_generation_with_its_markers(database, folder, tmp_path):
    write(database)
    database.roll(wait=True)
    assert is_in_files(tmp_path / "rocksdb", b"a batch")
    assert database.database.markers() == [1, 1, 0]
    write(database, generation=1)
    assert database.has_old_files
    database.remove_flushed()
    assert (file_numbers(folder), database.has_old_files) == ([2], False)
    assert read(folder)[0] == [2]


def test_journal_is_synced_before_its_groups_are_flushed(database, monkeypatch):
    calls = []
    flush, sync = database.database.flush, os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (calls.append("sync"), sync(fd)))
    monkeypatch.setattr(database.database, "flush", lambda **_: (calls.append("flush"), flush(**_)))
    write(database)
    database.roll(wait=False)
    assert calls == ["sync", "flush"]


def test_journal_is_synced_before_rocksdb_is_closed(database, monkeypatch):
    calls = []
    close, sync = database.database.close, os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (calls.append("sync"), sync(fd)))
    monkeypatch.setattr(database.database, "close", lambda: (calls.append("close"), close()))
    write(database)
    database.close()
    assert calls == ["sync", "close"]


def test_closed_database_has_no_file_open(database, tmp_path):
    database.close()
    database.close()
    assert not [path for path in open_files() if tmp_path in path.parents]
    Database(tmp_path / "rocksdb").close()


def test_close_does_not_fail_after_a_failure(database, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="broken"):
        database.sync()
    database.close()
    assert not [path for path in open_files() if tmp_path in path.parents]


def test_database_without_a_journal_is_read_only(tmp_path):
    database = JournaledDatabase(Database(tmp_path))
    assert (database.is_writable, database.sequence) == (False, 0)
    assert not any((database.is_short, database.needs_space, database.has_old_files))
    for use in (write, JournaledDatabase.sync, roll):
        with pytest.raises(StorageFailed, match="read-only"):
            use(database)
    database.extend()
    database.remove_flushed()
    database.close()


def test_space_of_the_journal_is_extended(database):
    while not database.needs_space:
        write(database)
    with files_limited_to(CHUNK_BYTES):
        database.extend()
    assert database.is_short
    database.extend()
    assert (database.is_short, database.needs_space) == (False, False)


def group(sequence, generation):
    changes = [(BATCHES, PUT, [batch_key(generation, b"%d" % sequence), b"batch"])]
    return ChangeGroup(sequence, 1, generation, changes)


def files_of(database):
    """The first and the last generation of each file."""
    keys = sorted((file["start_key"], file["end_key"]) for file in database.state.live_files())
    return [tuple(int.from_bytes(key[:GENERATION_BYTES]) for key in file) for file in keys]


def test_replay_flushes_between_generations(tmp_path):
    database = Database(tmp_path)
    target = ReplayTarget(database)
    for sequence, generation in ((1, 3), (2, 3), (3, 4), (4, 5)):
        target.apply(group(sequence, generation))
    # The last generation is still in memory.
    assert files_of(database) == [(3, 3), (4, 4)]
    database.flush(wait=True)
    assert database.markers() == [0, 4, 0]
    assert files_of(database) == [(number, number) for number in (3, 4, 5)]
    database.close()


def test_failure_of_a_replay_is_a_storage_failure(tmp_path):
    database = Database(tmp_path)
    target = ReplayTarget(database)
    target.apply(group(1, 0))
    database.close()
    for generation in (0, 1):
        with pytest.raises(StorageFailed, match="replay the journal"):
            target.apply(group(2, generation))
