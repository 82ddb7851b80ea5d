"""The data directory of a partition service that no process has open."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from common.disk.data_directory import DataDirectory, DirectoryInUse
from common.disk.synced_mark import Mark, SyncedMark
from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed
from partition_svc.store.journal.inspection import JournalReport, inspect
from partition_svc.store.journal.journal import FOLDER
from partition_svc.store.journal.reading import MARK_NAME
from partition_svc.store.journal.truncation import truncate
from ringlog.cli.actions import CommandFailed
from ringlog.cli.store.lost_records import record_lost, require_recovery

#: Folder of the partition service below the data directory of `ringlog standalone`.
_PARTITION: Final = "partition"


@contextmanager
def open_store(path: Path) -> Iterator["StoreDirectory"]:
    """Locks a data directory, also that of `ringlog standalone`; changes nothing.

    Raises:
        CommandFailed: it has no store, or a process uses it.
    """
    found = [place for place in (path / _PARTITION, path) if _has_store(place)]
    if not found:
        raise CommandFailed(f"{path} is not the data directory of a partition service")
    try:
        held = DataDirectory(found[0])
    except DirectoryInUse as error:
        raise CommandFailed(f"{error}: stop it first") from error
    except OSError as error:
        raise CommandFailed(f"cannot open {found[0]}: {error}") from error
    try:
        yield StoreDirectory(held)
    finally:
        held.close()


class StoreDirectory:
    """A locked data directory. All methods block, and raise `CommandFailed`."""

    def __init__(self, held: DataDirectory) -> None:
        self.path = held.path
        self.journal = held.path / FOLDER
        self._held = held
        self._mark = SyncedMark(held.path, MARK_NAME)

    def synced(self) -> Mark | None:
        """The mark of the last process; None if it is missing or damaged."""
        return self._mark.read()

    def inspect(self) -> JournalReport:
        """Reads the journal and RocksDB's markers, without changing anything."""
        mark = self.synced()
        try:
            return inspect(self.journal, self._markers(), 0 if mark is None else mark.sequence)
        except OSError as error:
            raise CommandFailed(f"cannot read {self.journal}: {error}") from error

    def truncate(self, report: JournalReport) -> Path | None:
        """Drops what follows the damage, and records the loss; starts fail until that is done.

        Returns the folder with copies of the changed files; None if there are none.
        """
        try:
            require_recovery(self._mark, report)
            kept = truncate(self.journal, report.end)
            record_lost(self._held, self._mark)
        except (OSError, StorageFailed) as error:
            raise CommandFailed(f"cannot truncate {self.journal}: {error}") from error
        finally:
            self._mark.close()
        return kept

    def _markers(self) -> Sequence[int]:
        try:
            database = Database(self.path, is_writable=False, may_create=False)
            try:
                return database.markers()
            finally:
                database.close()
        except StorageFailed as error:
            raise CommandFailed(f"RocksDB cannot be read: {error}") from error


def _has_store(path: Path) -> bool:
    return (path / "CURRENT").is_file() or (path / FOLDER).is_dir()
