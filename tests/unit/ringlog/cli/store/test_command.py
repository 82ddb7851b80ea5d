"""Tests of `ringlog store` on stores that were killed, some of them damaged."""

import shutil

import pytest

from partition_svc.store.failures import StorageFailed
from partition_svc.store.journal.journal import FOLDER
from partition_svc.store.reading import ReadLimits
from ringlog.cli.store.command import main
from tests.support.stores.journals import damage_journal, journal_files, killed_store, tree_of
from tests.support.stores.log_stores import LOG_KEY, opened, store_batches

BATCHES = [b"first batch", b"second batch", b"third batch", b"fourth batch"]
EVERYTHING = ReadLimits(1 << 30, 1 << 30, True)


@pytest.fixture
def path(tmp_path):
    return killed_store(tmp_path / "data", batches=BATCHES)


def read_all(store):
    return store.reader.read(LOG_KEY, 0, 1000, EVERYTHING).batches


def refuse_start(path):
    with pytest.raises(StorageFailed, match="ringlog store check"), opened(path):
        pass


def test_check_of_a_sound_journal_exits_with_0(path, capsys):
    assert main(["check", str(path)]) == 0
    output = capsys.readouterr().out
    assert output.startswith(f"{path}\n")
    assert output.endswith("sound: 5 changes would be replayed\n")


def test_check_of_a_damaged_journal_exits_with_1(path, capsys):
    file = damage_journal(path, BATCHES[2])
    assert main(["check", str(path)]) == 1
    output = capsys.readouterr().out
    assert f"DAMAGED at {file.name} position " in output
    assert output.endswith("changes 4 to 5 are missing\n")


def test_truncate_shows_what_it_would_drop_and_changes_nothing_without_yes(path, capsys):
    file = damage_journal(path, BATCHES[2])
    before = tree_of(path)
    assert main(["truncate", str(path)]) == 1
    output, error = capsys.readouterr()
    assert "changes 4 to 5 are missing" in output
    assert f"{file.name}: everything from position" in output
    assert error == "ringlog store: nothing is dropped without --yes\n"
    assert tree_of(path) == before
    refuse_start(path)


def test_truncated_store_starts_with_what_is_before_the_damage(path, capsys):
    damage_journal(path, BATCHES[2])
    refuse_start(path)
    assert main(["truncate", str(path), "--yes"]) == 0
    output = capsys.readouterr().out
    assert f"copies of these files are in {path / FOLDER}/dropped-1\n" in output
    # The refused start has applied what is before the damage.
    assert output.endswith("done: sound: 0 changes would be replayed\n")
    assert main(["check", str(path)]) == 0
    with opened(path) as store:
        assert read_all(store) == BATCHES[:2]
        store_batches(store, 20, b"new batch")
    with opened(path) as store:
        assert read_all(store) == [*BATCHES[:2], b"new batch"]
    assert (path / FOLDER / "dropped-1").is_dir()


def test_truncated_store_keeps_new_batches_if_rocksdb_was_ahead_of_the_damage(tmp_path):
    path = killed_store(tmp_path / "data", batches=BATCHES, roll_after=3)
    damage_journal(path, BATCHES[1])
    refuse_start(path)
    assert main(["truncate", str(path), "--yes"]) == 0
    with opened(path) as store:
        # RocksDB's files have the third batch.
        assert read_all(store) == BATCHES[:3]
        store_batches(store, 30, b"new batch")
        shutil.copytree(path, tmp_path / "killed", ignore=shutil.ignore_patterns("LOCK"))
    with opened(tmp_path / "killed") as store:
        assert read_all(store) == [*BATCHES[:3], b"new batch"]


def test_lost_journal_can_be_truncated(path, capsys):
    with opened(path) as store:
        store.roll(wait=True)
        store_batches(store, 40, b"fifth batch")
        store.sync()
        killed = path.with_name("killed")
        shutil.copytree(path, killed, ignore=shutil.ignore_patterns("LOCK"))
    for file in journal_files(killed):
        file.unlink()
    refuse_start(killed)
    assert main(["truncate", str(killed), "--yes"]) == 0
    assert "there is no file" in capsys.readouterr().out
    with opened(killed) as store:
        assert read_all(store) == BATCHES


@pytest.mark.parametrize("arguments", [[], ["--yes"]])
def test_truncate_of_a_sound_journal_is_refused(path, capsys, arguments):
    before = tree_of(path)
    assert main(["truncate", str(path), *arguments]) == 1
    assert "is not damaged: nothing is dropped" in capsys.readouterr().err
    assert tree_of(path) == before


def test_directory_without_a_store_is_refused(tmp_path, capsys):
    assert main(["check", str(tmp_path)]) == 1
    assert "is not the data directory of a partition service" in capsys.readouterr().err
