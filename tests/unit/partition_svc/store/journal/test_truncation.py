import pytest

from partition_svc.store.journal.inspection import inspect
from partition_svc.store.journal.journal import FOLDER
from partition_svc.store.journal.reading import JournalEnd
from partition_svc.store.journal.truncation import dropped_files, truncate
from tests.support.stores.bit_rot import flip
from tests.support.stores.journals import damage_journal, journal_files, killed_store

BATCHES = [b"first batch", b"second batch", b"third batch", b"fourth batch"]
NO_MARKERS = (0, 0, 0)


@pytest.fixture
def path(tmp_path):
    """Groups: 1 is the identity of the store, 2 to 5 are the batches; 4 begins a file."""
    return killed_store(tmp_path / "data", batches=BATCHES, roll_after=2)


def end_of(path):
    return inspect(path / FOLDER, NO_MARKERS, 0).end


def test_damaged_file_is_cut_and_later_files_are_removed_after_copies(path):
    damage_journal(path, BATCHES[1])
    first, second = journal_files(path)
    contents = [first.read_bytes(), second.read_bytes()]
    end = end_of(path)
    assert dropped_files(path / FOLDER, end) == [first, second]
    kept = truncate(path / FOLDER, end)
    assert journal_files(path) == [first]
    assert first.read_bytes() == contents[0][: end.position]
    assert [(kept / file.name).read_bytes() for file in (first, second)] == contents
    report = inspect(path / FOLDER, NO_MARKERS, 2)
    assert (report.is_damaged, report.end.sequence, report.end.unreadable_bytes) == (False, 2, 0)


def test_files_before_the_damage_stay(path):
    damage_journal(path, BATCHES[3])
    first, second = journal_files(path)
    before = first.read_bytes()
    kept = truncate(path / FOLDER, end_of(path))
    assert first.read_bytes() == before
    assert [file.name for file in kept.iterdir()] == [second.name]
    assert end_of(path).sequence == 4


def test_file_with_an_unreadable_header_is_removed(path):
    first, second = journal_files(path)
    flip(second, 0)
    truncate(path / FOLDER, end_of(path))
    assert journal_files(path) == [first]


def test_each_truncation_keeps_its_copies(path):
    damage_journal(path, BATCHES[3])
    assert truncate(path / FOLDER, end_of(path)).name == "dropped-1"
    damage_journal(path, BATCHES[1])
    assert truncate(path / FOLDER, end_of(path)).name == "dropped-2"


def test_journal_without_files_has_nothing_to_cut(tmp_path):
    assert truncate(tmp_path, JournalEnd(3)) is None
    assert not any(tmp_path.iterdir())


def test_interrupted_removal_leaves_no_gap_between_files(path, monkeypatch):
    damage_journal(path, BATCHES[1])
    first, second = journal_files(path)
    third = second.with_name("00000003.journal")
    third.write_bytes(second.read_bytes())
    end = end_of(path)
    removed = []

    def fail_at_the_second(file, **_):
        if removed:
            raise OSError("cannot remove it")
        removed.append(file)

    monkeypatch.setattr(type(first), "unlink", fail_at_the_second)
    with pytest.raises(OSError, match="cannot remove it"):
        truncate(path / FOLDER, end)
    assert removed == [third]
