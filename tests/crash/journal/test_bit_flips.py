"""Changed bytes at every region of a journal: the start is refused, or unsynced groups are cut off.

A changed byte before the last synced group refuses the start, and the error names the file and the
position. A changed byte behind it takes its group and those after it: none was acknowledged with
acks=all.
"""

from itertools import pairwise
from pathlib import Path

import pytest

from partition_svc.store.failures import StorageFailed
from partition_svc.store.journal.journal import FOLDER
from partition_svc.store.journal.journal_file import HEADER_BYTES
from partition_svc.store.journal.record import HEADER_BYTES as RECORD_HEADER_BYTES
from partition_svc.store.journal.record import RecordHead
from partition_svc.store.journal.replay import JournalDamaged, replay
from partition_svc.store.log_store import LogStore
from tests.support.stores.bit_rot import flip
from tests.support.stores.crash_copies import copy_open_store
from tests.support.stores.crash_groups import Model, digest, group, last_group, rows_of
from tests.support.stores.journals import journal_files

pytestmark = pytest.mark.slow

SEED = 8
#: The store writes its identity first. Three groups follow in the first file of the journal, then
#: in the second one three that are synced, and three that are not.
IDENTITY, FIRST_FILE, SYNCED, ALL = 1, 4, 7, 10
#: Zeros behind the last group.
ZEROS = 64


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The data directory of a store that was killed."""
    folder = tmp_path_factory.mktemp("stores")
    store = LogStore(folder / "data")
    for number in range(1, ALL):
        store.write(group(SEED, number, store.generation), 1)
        if store.sequence == FIRST_FILE:
            store.roll()
        elif store.sequence == SYNCED:
            store.sync()
    assert store.sequence == ALL
    copy_open_store(folder / "data", folder / "killed")
    store.close()
    return folder / "killed"


def ends_of(path: Path) -> list[int]:
    """Positions behind the header and behind each group of a file."""
    data, ends = path.read_bytes(), [HEADER_BYTES]
    while size := RecordHead.unpack(data[ends[-1] :]).size_bytes:
        ends.append(ends[-1] + RECORD_HEADER_BYTES + size)
    return ends


def positions(start: int, end: int) -> list[int]:
    """All bytes at both ends of a record, where its checksum and lengths are, and some between."""
    size = end - start
    return sorted(
        {*range(start, min(start + 80, end)), *range(start, end, 1 + size // 40), end - 1}
    )


def replayed(killed: Path) -> int:
    """Replays into nothing; returns the number of the last group."""
    folder = killed / FOLDER
    result = replay(folder, [0, 0, 0], lambda _: None, synced_sequence=SYNCED, shown=killed)
    return result.end.sequence


def refused_at(path: Path, position: int) -> str:
    return f"damaged in {path.name} at position {position}:"


def test_undamaged_journal_is_whole(killed):
    first, second = (ends_of(path) for path in journal_files(killed))
    assert len(first) - 1 == FIRST_FILE
    assert len(second) - 1 == ALL - FIRST_FILE
    assert replayed(killed) == ALL


def test_changed_byte_of_a_file_before_the_last_refuses_the_start(killed):
    path, _ = journal_files(killed)
    for start, end in pairwise([0, *ends_of(path)]):
        for position in positions(start, end):
            flip(path, position)
            with pytest.raises(JournalDamaged, match=refused_at(path, start)):
                replayed(killed)
            flip(path, position)
    # Nothing reads what is behind the last group of such a file.
    for position in range(end, end + ZEROS):
        flip(path, position)
        assert replayed(killed) == ALL
        flip(path, position)


def test_changed_byte_before_the_last_synced_group_refuses_the_start(killed):
    _, path = journal_files(killed)
    ends = ends_of(path)[: 1 + SYNCED - FIRST_FILE]
    for start, end in pairwise([0, *ends]):
        for position in positions(start, end):
            flip(path, position)
            with pytest.raises(JournalDamaged, match=refused_at(path, start)):
                replayed(killed)
            flip(path, position)


def test_changed_byte_behind_the_last_synced_group_cuts_the_journal(killed):
    _, path = journal_files(killed)
    ends = ends_of(path)[SYNCED - FIRST_FILE :]
    for number, (start, end) in enumerate(pairwise(ends), SYNCED + 1):
        for position in positions(start, end):
            flip(path, position)
            assert replayed(killed) == number - 1
            flip(path, position)
    for position in range(ends[-1], ends[-1] + ZEROS):
        flip(path, position)
        assert replayed(killed) == ALL
        flip(path, position)


@pytest.mark.parametrize("number", range(FIRST_FILE + 1, ALL + 1))
@pytest.mark.parametrize("region", ["checksum", "length", "epoch", "body"])
def test_store_starts_without_unsynced_groups_and_not_without_synced_ones(
    killed, tmp_path, number, region
):
    copy_open_store(killed, tmp_path / "copy")
    _, path = journal_files(tmp_path / "copy")
    start, end = ends_of(path)[number - FIRST_FILE - 1 :][:2]
    flip(
        path, {"checksum": start, "length": start + 7, "epoch": start + 19, "body": end - 1}[region]
    )
    if number <= SYNCED:
        for _ in range(2):
            with pytest.raises(StorageFailed, match=refused_at(path, start)):
                LogStore(tmp_path / "copy")
        return
    model = Model()
    for before in range(1, number - IDENTITY):
        generation = int(before + IDENTITY > FIRST_FILE)
        model.apply(before, group(SEED, before, generation))
    store = LogStore(tmp_path / "copy")
    rows = rows_of(store)
    assert last_group(rows) == number - 1 - IDENTITY
    assert digest(rows) == model.digest(last_group(rows))
    store.close()
