import logging

import pytest

from partition_svc.store.atomic_write import DELETE, PUT
from partition_svc.store.failures import StorageFailed
from partition_svc.store.journal import replay as replay_module
from partition_svc.store.journal.journal_file import HEADER_BYTES, file_path
from partition_svc.store.journal.record import ChangeGroup
from partition_svc.store.journal.replay import JournalDamaged, missing_changes, replay
from tests.support.stores.journal_files import new_journal, write_file

STATE, BATCHES, COMPACTED = 0, 1, 2


@pytest.fixture(autouse=True)
def _all_log_lines(caplog):
    caplog.set_level(logging.INFO)


def replayed(directory, *, markers=(0, 0, 0), synced=0):
    """Returns the outcome, and the sequence number and the changes of each applied group."""
    applied = []
    outcome = replay(
        directory,
        markers,
        lambda group: applied.append((group.sequence, group.changes)),
        synced_sequence=synced,
        shown=directory,
    )
    return outcome, applied


def changes(*families):
    return [(family, PUT, [b"key", b"%d" % family]) for family in families]


@pytest.fixture
def directory(tmp_path):
    """Groups 1 to 4, each of which changes other families."""
    journal = new_journal(tmp_path)
    for families in ((STATE,), (STATE, BATCHES), (STATE, COMPACTED), (BATCHES, STATE, BATCHES)):
        journal.append(changes(*families), 0)
    journal.close()
    return tmp_path


def test_everything_is_applied_in_order_to_a_database_without_markers(directory):
    outcome, applied = replayed(directory)
    assert applied == [
        (1, changes(STATE)),
        (2, changes(STATE, BATCHES)),
        (3, changes(STATE, COMPACTED)),
        (4, changes(BATCHES, STATE, BATCHES)),
    ]
    assert (outcome.end.sequence, outcome.epoch, outcome.groups) == (4, 1, 4)
    assert outcome.size_bytes == 8 * len(b"key0")


@pytest.mark.parametrize(
    ("markers", "expected"),
    [
        ((4, 2, 0), [(3, changes(COMPACTED)), (4, changes(BATCHES, BATCHES))]),
        ((2, 4, 3), [(3, changes(STATE)), (4, changes(STATE))]),
        ((3, 1, 3), [(2, changes(BATCHES)), (4, changes(BATCHES, STATE, BATCHES))]),
        ((4, 4, 3), []),
        ((9, 9, 9), []),
    ],
)
def test_family_gets_only_changes_after_its_marker(directory, markers, expected):
    outcome, applied = replayed(directory, markers=markers)
    assert applied == expected
    assert outcome.groups == len(expected)
    assert outcome.size_bytes == 4 * sum(len(runs) for _, runs in expected)


def test_missing_changes_are_those_after_the_marker_of_their_family():
    group = ChangeGroup(5, 1, 0, [*changes(STATE, BATCHES), (STATE, DELETE, [b"key"])])
    assert missing_changes(group, [4, 5, 0]) == [group.changes[0], group.changes[2]]
    assert missing_changes(group, [5, 5, 0]) == []


def test_empty_journal_ends_where_the_markers_are(tmp_path, caplog):
    outcome, applied = replayed(tmp_path, markers=(7, 9, 0), synced=9)
    assert (outcome.end.sequence, outcome.epoch, applied) == (9, 0, [])
    assert caplog.text == ""


def test_missing_journal_is_damage_if_more_was_synced(tmp_path):
    with pytest.raises(JournalDamaged, match="damaged in no file"):
        replayed(tmp_path, markers=(7, 9, 0), synced=10)


def test_replay_reports_how_much_it_applied(directory, caplog):
    replayed(directory, markers=(2, 2, 0), synced=3)
    (line,) = caplog.messages
    assert line.startswith(f"{directory}: the last process did not close it: replayed 2 changes")
    assert "up to change 4; changes up to 3 or later had been synced" in line


def test_replay_reports_nothing_after_a_clean_end(directory, caplog):
    replayed(directory, markers=(4, 4, 3), synced=4)
    assert caplog.messages == []


def test_replay_reports_its_progress(directory, caplog, monkeypatch):
    monkeypatch.setattr(replay_module, "_PROGRESS_S", -1.0)
    replayed(directory)
    progress = [line for line in caplog.messages if line.endswith("of the journal so far")]
    assert len(progress) == 4


def test_torn_end_is_reported_and_what_precedes_it_applied(tmp_path, caplog):
    path = write_file(tmp_path, 1, [1, 2])
    data = path.read_bytes().rstrip(b"\0")
    path.write_bytes(data[:-1] + bytes(100))
    outcome, applied = replayed(tmp_path, synced=1)
    assert ([sequence for sequence, _ in applied], outcome.end.sequence) == ([1], 1)
    (torn,) = [line for line in caplog.messages if "is torn" in line]
    lost_bytes = len(data) - 1 - outcome.end.position
    assert f"{lost_bytes} bytes of 00000001.journal from position {outcome.end.position}" in torn
    assert "only appends with acks=1 can be missing" in torn


def test_damage_names_the_file_the_position_and_the_lost_changes(tmp_path):
    path = write_file(tmp_path, 1, [1, 2, 3])
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES] ^= 1
    path.write_bytes(data)
    with pytest.raises(JournalDamaged) as raised:
        replayed(tmp_path, synced=3)
    text = str(raised.value)
    assert f"{tmp_path}: the journal is damaged in 00000001.journal at position 28" in text
    assert "changes 1 to 3 were acknowledged and cannot be read" in text
    assert f"`ringlog store check {tmp_path}`" in text
    assert f"`ringlog store truncate {tmp_path}`" in text
    # None of it was synced.
    outcome, applied = replayed(tmp_path, synced=0)
    assert (outcome.end.sequence, applied) == (0, [])


def test_gap_before_a_following_file_is_damage_although_nothing_is_known_to_be_synced(tmp_path):
    write_file(tmp_path, 1, [1, 2])
    write_file(tmp_path, 2, [5])
    with pytest.raises(JournalDamaged, match="changes 3 to 4 were acknowledged"):
        replayed(tmp_path)


def test_missing_file_between_the_markers_and_the_journal_is_damage(tmp_path):
    write_file(tmp_path, 2, [4])
    with pytest.raises(JournalDamaged, match="changes 3 to 3 were acknowledged"):
        replayed(tmp_path, markers=(2, 1, 0))
    _, applied = replayed(tmp_path, markers=(3, 1, 0))
    assert [sequence for sequence, _ in applied] == [4]
    # Unreadable markers say nothing, and those of a store that was taken over are zero.
    for markers in ((0, 1, 0), (0, 0, 0)):
        assert replayed(tmp_path, markers=markers)[1] == applied


def test_failure_of_the_database_ends_the_replay(directory):
    def fail(_):
        raise StorageFailed("no room")

    with pytest.raises(StorageFailed, match="no room"):
        replay(directory, [0, 0, 0], fail, synced_sequence=0, shown=directory)


def test_unreadable_file_is_an_os_error(directory):
    file_path(directory, 2).mkdir()
    with pytest.raises(IsADirectoryError):
        replayed(directory)
