"""Opening a store again: only the same database, and only in the same directory."""

import shutil

import pytest

from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed, StoreInUse
from partition_svc.store.identity import was_opened_as
from partition_svc.store.journal.journal import FOLDER
from partition_svc.store.keys import VOLUME
from partition_svc.store.log_store import LogStore
from partition_svc.store.opening import DatabaseOpener
from partition_svc.store.reading import ReadLimits
from tests.support.stores.log_stores import LOG_KEY, opened, roll, store_batches

EVERYTHING = ReadLimits(1 << 30, 1 << 30, True)


def read_all(store):
    return store.reader.read(LOG_KEY, 0, 1000, EVERYTHING).batches


@pytest.fixture
def store(tmp_path):
    with opened(tmp_path / "data") as store:
        store_batches(store, 0, b"first")
        yield store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data"


def unmount(path):
    """Puts an empty directory at `path`, as after the volume is unmounted."""
    path.rename(path.with_name("volume"))
    path.mkdir()


def mount_again(path):
    path.rmdir()
    path.with_name("volume").rename(path)


def test_another_directory_at_the_path_stays_empty_until_the_volume_is_mounted_again(store, path):
    unmount(path)
    for _ in range(2):
        with pytest.raises(StorageFailed, match=f"{path} is another directory"):
            store.recover()
    assert not any(path.iterdir())
    assert read_all(store) == [b"first"]
    mount_again(path)
    store.recover()
    store_batches(store, 10, b"second")
    assert read_all(store) == [b"first", b"second"]


def test_writes_stay_on_the_volume_while_the_path_leads_elsewhere(store, path):
    unmount(path)
    store_batches(store, 10, b"second")
    roll(store)
    store_batches(store, 20, b"third")
    store.sync()
    store.close()
    assert not any(path.iterdir())
    mount_again(path)
    with opened(path) as reopened:
        assert read_all(reopened) == [b"first", b"second", b"third"]


def test_a_store_without_its_files_fails_each_time_it_is_opened_again(store, path):
    store._database.close()
    for file in path.iterdir():
        if file.is_file() and file.name not in ("LOCK", "LOG"):
            file.unlink()
    for _ in range(3):
        with pytest.raises(StorageFailed):
            store.recover()
    with pytest.raises(StorageFailed):
        read_all(store)
    assert not (path / "CURRENT").exists()


def test_other_data_in_the_same_directory_is_refused_permanently(store, path):
    store._database.close()
    other = Database(path)
    other.state.put(VOLUME, store.identity._replace(incarnation=99).pack())
    other.close()
    for _ in range(2):
        with pytest.raises(StorageFailed, match=r"not what this process has opened.*restart"):
            store.recover()
    with pytest.raises(StorageFailed):
        read_all(store)


def test_every_error_while_reopening_is_a_storage_failure(store, monkeypatch):
    def fail(*_):
        raise ValueError("unforeseen")

    monkeypatch.setattr("partition_svc.store.log_store.LogReader", fail)
    for _ in range(2):
        with pytest.raises(StorageFailed, match="unforeseen"):
            store.recover()


def test_the_first_opening_creates_no_database_beside_the_files_of_another(tmp_path):
    LogStore(tmp_path).close()
    (tmp_path / "000042.sst").write_bytes(b"a file of batches")
    (tmp_path / "CURRENT").rename(tmp_path / "kept")
    with pytest.raises(StorageFailed, match=f"{tmp_path}"):
        LogStore(tmp_path)
    assert (tmp_path / "000042.sst").exists()
    (tmp_path / "000042.sst").unlink()
    (tmp_path / "kept").rename(tmp_path / "CURRENT")
    LogStore(tmp_path).close()


def test_first_opening_creates_no_database_beside_a_journal(tmp_path):
    with opened(tmp_path / "data") as store:
        store_batches(store, 0, b"first")
        store.roll(wait=True)
        store.journaled.remove_flushed()
        (tmp_path / "other").mkdir()
        shutil.copytree(tmp_path / "data" / FOLDER, tmp_path / "other" / FOLDER)
    # The journal alone lacks what was flushed.
    with pytest.raises(StorageFailed):
        LogStore(tmp_path / "other")
    assert not (tmp_path / "other" / "CURRENT").exists()


def test_a_directory_has_one_store_and_a_failed_opening_unlocks_it(tmp_path):
    opening = DatabaseOpener(tmp_path / "data", flush_bytes=1 << 20, with_statistics=False)
    with pytest.raises(StoreInUse):
        LogStore(tmp_path / "data")
    opening.close()
    (tmp_path / "data" / "CURRENT").write_text("nonsense")
    for _ in range(2):
        with pytest.raises(StorageFailed):
            LogStore(tmp_path / "data")


def test_a_store_may_be_closed_twice(tmp_path):
    store = LogStore(tmp_path)
    store.close()
    store.close()
    with opened(tmp_path) as reopened:
        assert was_opened_as(reopened._database, reopened.identity)
