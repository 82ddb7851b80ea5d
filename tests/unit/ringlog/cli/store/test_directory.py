import pytest

from partition_svc.store.log_store import LogStore
from ringlog.cli.actions import CommandFailed
from ringlog.cli.store.directory import open_store
from tests.support.stores.journals import killed_store, tree_of


@pytest.mark.parametrize("folder", ["data", "data/partition"])
def test_directory_of_standalone_leads_to_that_of_its_partition_service(tmp_path, folder):
    (tmp_path / "data").mkdir()
    path = killed_store(tmp_path / "data" / "partition", batches=[b"batch"])
    with open_store(tmp_path / folder) as store:
        assert store.path == path


def test_inspection_changes_no_file(tmp_path):
    path = killed_store(tmp_path / "data", batches=[b"first", b"second"], roll_after=1)
    before = tree_of(path)
    with open_store(path) as store:
        report = store.inspect()
    assert report.markers[0] > 0
    assert report.missing
    assert tree_of(path) == before


def test_directory_that_a_process_has_open_is_refused(tmp_path):
    running = LogStore(tmp_path / "data")
    try:
        match = "in use by another process: stop it first"
        with pytest.raises(CommandFailed, match=match), open_store(tmp_path / "data"):
            pass
    finally:
        running.close()


@pytest.mark.parametrize("folder", ["nothing", ""])
def test_directory_without_a_store_is_refused_and_stays_as_it_is(tmp_path, folder):
    match = "is not the data directory"
    with pytest.raises(CommandFailed, match=match), open_store(tmp_path / folder):
        pass
    assert not any(tmp_path.iterdir())


def test_unreadable_rocksdb_is_reported(tmp_path):
    path = killed_store(tmp_path / "data", batches=[b"batch"])
    (path / "CURRENT").unlink()
    with open_store(path) as store, pytest.raises(CommandFailed, match="RocksDB cannot be read"):
        store.inspect()
