import os

import pytest

from partition_svc.store.failures import StorageFailed
from partition_svc.store.journal.journal_file import file_numbers, file_path
from partition_svc.store.journal.reading import JournalReader
from tests.support.descriptors import open_files
from tests.support.stores.full_disk import files_limited_to
from tests.support.stores.journal_files import CHUNK_BYTES, new_journal, read, row

STATE, BATCHES = 0, 1
LARGE = b"x" * 1000


@pytest.fixture
def journal(tmp_path):
    journal = new_journal(tmp_path)
    yield journal
    journal.close()


def flushed():
    """Immutable memtables of the families, once all are flushed."""
    return [0, 0, 0]


def test_groups_are_numbered_one_after_another(journal, tmp_path):
    assert [journal.append(row(b"key"), generation=3) for _ in range(3)] == [1, 2, 3]
    assert journal.sequence == 3
    groups = list(JournalReader(tmp_path).groups())
    assert groups == [(number, 1, 3, row(b"key")) for number in (1, 2, 3)]


def test_numbers_continue_after_the_last_group_of_before(tmp_path):
    for epoch in (1, 2):
        journal = new_journal(tmp_path, epoch=epoch, last_sequence=10 * epoch)
        assert journal.append(row(b"key"), 0) == 10 * epoch + 1
        journal.close()
    assert file_numbers(tmp_path) == [1, 2]
    assert read(tmp_path)[0] == [21]


def test_sync_returns_the_last_group_that_was_written(journal, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    assert journal.sync() == 0
    journal.append(row(b"key"), 0)
    assert journal.sync() == 1
    assert len(synced) == 2


def test_group_that_meets_a_full_disk_leaves_nothing(journal, tmp_path):
    journal.append(row(b"key"), 0)
    with files_limited_to(CHUNK_BYTES), pytest.raises(OSError, match="File too large"):
        journal.append(row(b"key", b"x" * CHUNK_BYTES), 0)
    assert journal.sequence == 1
    sequences, end = read(tmp_path)
    assert (sequences, end.unreadable_bytes) == ([1], 0)


def test_space_is_allocated_before_it_is_needed(journal):
    assert not journal.needs_space
    while not journal.needs_space:
        journal.append(row(b"key", LARGE), 0)
    with files_limited_to(CHUNK_BYTES):
        journal.extend()
        assert journal.is_short
        # The rest of what was allocated can still be used.
        journal.append(row(b"key", LARGE), 0)
    journal.extend()
    assert (journal.is_short, journal.needs_space) == (False, False)


def test_journal_is_not_short_after_it_has_begun_a_file(journal):
    while not journal.needs_space:
        journal.append(row(b"key", LARGE), 0)
    with files_limited_to(CHUNK_BYTES):
        journal.extend()
        assert journal.is_short
        journal.begin_file([STATE])
        journal.extend()
        assert not journal.is_short


def test_begin_file_syncs_the_file_that_ends(journal, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    journal.begin_file([])
    assert len(synced) == 1


def test_file_is_removed_once_all_families_are_flushed_past_it(journal, tmp_path):
    journal.append(row(b"key"), 0)
    assert not journal.has_old_files
    journal.begin_file([STATE, BATCHES])
    journal.append(row(b"key"), 1)
    journal.begin_file([STATE])
    assert journal.has_old_files
    for immutable, numbers in (
        ([2, 1, 0], [1, 2, 3]),
        ([1, 1, 0], [1, 2, 3]),
        ([1, 0, 0], [2, 3]),
        ([0, 0, 0], [3]),
    ):
        journal.remove_flushed(lambda counts=immutable: counts)
        assert file_numbers(tmp_path) == numbers
    assert not journal.has_old_files
    assert not [path for path in open_files() if path.name == "00000001.journal"]


def test_file_without_groups_is_removed_with_those_before(journal, tmp_path):
    journal.begin_file([STATE])
    journal.begin_file([])
    journal.remove_flushed(lambda: [1, 0, 0])
    assert file_numbers(tmp_path) == [1, 2, 3]
    journal.remove_flushed(flushed)
    assert file_numbers(tmp_path) == [3]


def test_memtables_are_not_counted_without_old_files(journal):
    def fail():
        raise AssertionError("counted")

    journal.remove_flushed(fail)


def test_files_of_earlier_openings_are_removed(tmp_path):
    for number in (3, 4, 7):
        file_path(tmp_path, number).touch()
    journal = new_journal(tmp_path)
    assert journal.has_old_files
    journal.remove_flushed(flushed)
    assert file_numbers(tmp_path) == [8]
    journal.close()


def test_generations_share_a_file_if_there_is_no_room_for_another(journal, tmp_path):
    journal.append(row(b"first"), 0)
    with files_limited_to(CHUNK_BYTES // 2):
        journal.begin_file([STATE])
    assert file_numbers(tmp_path) == [1]
    journal.append(row(b"second"), 1)
    journal.remove_flushed(flushed)
    assert read(tmp_path)[0] == [1, 2]
    journal.begin_file([STATE])
    journal.append(row(b"third"), 2)
    assert file_numbers(tmp_path) == [1, 2]
    assert read(tmp_path)[0] == [1, 2, 3]
    # The second generation needs the file as well.
    journal.remove_flushed(lambda: [1, 0, 0])
    assert file_numbers(tmp_path) == [1, 2]
    journal.remove_flushed(flushed)
    assert file_numbers(tmp_path) == [2]


@pytest.mark.parametrize("call", ["fsync", "pwritev"])
def test_file_that_cannot_be_synced_is_not_replaced_by_the_one_before(
    journal, tmp_path, monkeypatch, call
):
    def fail(*_):
        raise OSError("broken")

    monkeypatch.setattr(os, call, fail)
    # The removed file may be there again after a power loss, and would hide later groups.
    with pytest.raises(OSError, match="broken"):
        journal.begin_file([STATE])
    assert file_numbers(tmp_path) == [1]


def test_failed_removal_is_a_storage_failure_and_repeated(journal, tmp_path):
    journal.begin_file([STATE])
    old = file_path(tmp_path, 1)
    old.unlink()
    old.mkdir()
    for _ in range(2):
        with pytest.raises(StorageFailed, match="cannot remove a journal file"):
            journal.remove_flushed(flushed)
        assert journal.has_old_files
    old.rmdir()
    journal.remove_flushed(flushed)
    assert not journal.has_old_files


def test_journal_that_cannot_create_its_file_leaves_none(tmp_path):
    with files_limited_to(CHUNK_BYTES // 2), pytest.raises(OSError, match="File too large"):
        new_journal(tmp_path)
    assert file_numbers(tmp_path) == []


def test_closed_journal_has_no_file_open(tmp_path):
    journal = new_journal(tmp_path)
    journal.begin_file([])
    journal.close()
    assert not [path for path in open_files() if path.parent == tmp_path]
