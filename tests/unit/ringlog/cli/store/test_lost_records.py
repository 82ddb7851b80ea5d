import pytest

from common.disk.data_directory import DataDirectory
from common.disk.synced_mark import SyncedMark
from partition_svc.store.failures import StorageFailed
from partition_svc.store.journal.inspection import inspect
from partition_svc.store.journal.journal import FOLDER
from partition_svc.store.journal.reading import MARK_NAME
from partition_svc.store.journal.truncation import truncate
from ringlog.cli.store.lost_records import record_lost, require_recovery
from tests.support.stores.journals import damage_journal, killed_store
from tests.support.stores.log_stores import opened
from tests.support.stores.volumes import opened_database, stored_volume

BATCHES = [b"first batch", b"second batch", b"third batch", b"fourth batch"]


@pytest.fixture
def path(tmp_path):
    return killed_store(tmp_path / "data", batches=BATCHES)


@pytest.fixture
def directory(path):
    held = DataDirectory(path)
    yield held
    held.close()


@pytest.mark.parametrize("damaged", range(4))
def test_start_is_refused_from_the_truncation_until_the_loss_is_recorded(path, damaged):
    damage_journal(path, BATCHES[damaged])
    mark = SyncedMark(path, MARK_NAME)
    report = inspect(path / FOLDER, (0, 0, 0), mark.read().sequence)
    require_recovery(mark, report)
    truncate(path / FOLDER, report.end)
    with pytest.raises(StorageFailed, match="the journal is damaged"), opened(path):
        pass
    held = DataDirectory(path)
    record_lost(held, mark)
    held.close()
    assert stored_volume(path).may_lack_records


def test_recorded_loss_survives_a_kill(path, directory):
    record_lost(directory, SyncedMark(path, MARK_NAME))
    directory.close()
    with opened_database(path):
        pass
    assert stored_volume(path).may_lack_records


def test_disk_that_cannot_be_written_fails(path, directory):
    (path / MARK_NAME).unlink()
    (path / MARK_NAME).mkdir()
    with pytest.raises(StorageFailed, match=f"{MARK_NAME} cannot be written"):
        record_lost(directory, SyncedMark(path, MARK_NAME))
