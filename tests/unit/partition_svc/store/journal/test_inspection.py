import os

import pytest

from partition_svc.store.journal.inspection import inspect
from partition_svc.store.journal.journal import FOLDER
from tests.support.stores.journals import damage_journal, journal_files, killed_store

BATCHES = [b"first batch", b"second batch", b"third batch", b"fourth batch"]


@pytest.fixture
def path(tmp_path):
    """Groups: 1 is the identity of the store, 2 to 5 are the batches; 4 begins a file."""
    return killed_store(tmp_path / "data", batches=BATCHES, roll_after=2)


def report_of(path, *, markers=(0, 0, 0), synced=5):
    return inspect(path / FOLDER, markers, synced)


def test_report_has_the_range_of_groups_of_each_file(path):
    report = report_of(path)
    assert [(file.header, file.last_sequence) for file in report.files] == [
        ((1, 1), 3),
        ((1, 4), 5),
    ]
    assert (report.end.sequence, report.end.path) == (5, journal_files(path)[-1])
    assert not report.is_damaged


@pytest.mark.parametrize(
    ("markers", "missing"), [((0, 0, 0), 5), ((3, 3, 0), 2), ((5, 3, 0), 2), ((5, 5, 0), 0)]
)
def test_groups_that_some_family_lacks_are_counted(path, markers, missing):
    assert report_of(path, markers=markers).missing == missing


def test_group_that_is_not_whole_is_damage_only_if_it_was_synced(path):
    damage_journal(path, BATCHES[3])
    report = report_of(path, synced=4)
    assert (report.is_damaged, report.end.sequence) == (False, 4)
    assert report.end.unreadable_bytes > len(BATCHES[3])
    report = report_of(path, synced=5)
    assert (report.is_damaged, report.last_missing_sequence) == (True, 5)


def test_damage_before_a_later_file_does_not_depend_on_the_mark(path):
    damage_journal(path, BATCHES[1])
    report = report_of(path, synced=0)
    assert (report.is_damaged, report.end.sequence, report.last_missing_sequence) == (True, 2, 3)
    # The later file was not read.
    assert [file.last_sequence for file in report.files] == [2, None]


def test_file_with_an_unreadable_header_is_damage(path):
    first, _ = journal_files(path)
    os.truncate(first, 10)
    report = report_of(path)
    assert (report.is_damaged, report.end.path, report.end.position) == (True, first, 0)
    assert [file.header for file in report.files] == [None, (1, 4)]


def test_store_without_journal_is_empty_unless_rocksdb_has_markers(tmp_path):
    assert report_of(tmp_path).is_empty
    assert not report_of(tmp_path).is_damaged
    report = report_of(tmp_path, markers=(3, 3, 0))
    assert (report.is_damaged, report.end.sequence, report.end.path) == (True, 3, None)
