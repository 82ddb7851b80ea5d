"""Brings a truncated store into use: it records that acknowledged changes are missing.

The partitions of a volume that may lack records begin new leader epochs when it registers, so that
offsets are not assigned to other records under the same epoch.
"""

from dataclasses import replace
from typing import Final

from common.disk.data_directory import DataDirectory
from common.disk.last_shutdown import LastShutdown
from common.disk.synced_mark import SyncedMark
from partition_svc.store.atomic_write import AtomicWrite
from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed
from partition_svc.store.identity import read_volume
from partition_svc.store.journal.inspection import JournalReport
from partition_svc.store.journal.reading import MARK_NAME
from partition_svc.store.journal_recovery import JournalRecovery
from partition_svc.store.journaled_database import JournaledDatabase
from partition_svc.store.keys import VOLUME_STATE

#: Small, so that little space of the journal is allocated.
_FLUSH_BYTES: Final = 1 << 20
#: Generation of the group: that of no batch.
_GENERATION: Final = 0


def require_recovery(mark: SyncedMark, report: JournalReport) -> None:
    """Makes starts fail, whatever else is changed, until `record_lost` is done."""
    mark.begin(max(report.last_missing_sequence, *report.markers) + 1)


def record_lost(directory: DataDirectory, mark: SyncedMark) -> None:
    """Replays the rest of the journal, records the loss durably, and lets starts succeed.

    Raises:
        StorageFailed: the disk cannot be written, or the journal is still damaged.
    """
    database = _recovered(directory)
    try:
        _write(database)
        mark.begin(database.sync())
        written = mark.read()
        if written is None or written.sequence != database.sequence:
            raise StorageFailed(f"the file {MARK_NAME} cannot be written")
    except StorageFailed:
        raise
    except Exception as error:
        raise StorageFailed(str(error)) from error
    finally:
        database.close()


def _recovered(directory: DataDirectory) -> JournaledDatabase:
    # The mark of no directory: nothing is compared with what was synced.
    no_mark = SyncedMark(directory.path / "no-directory", MARK_NAME)
    database = Database(directory.path, may_create=False)
    try:
        recovery = JournalRecovery(directory, no_mark, flush_bytes=_FLUSH_BYTES)
        shutdown = LastShutdown(directory.path, shown=directory.path, mark=no_mark)
        recovered = recovery.recover(database, shutdown)
        shutdown.discard()
    except BaseException:
        database.close()
        raise
    return recovered


def _write(database: JournaledDatabase) -> None:
    volume = read_volume(database.database, was_opened=True)
    write = AtomicWrite()
    write.put(VOLUME_STATE, replace(volume, may_lack_records=True).pack())
    database.write(write.changes, _GENERATION)
