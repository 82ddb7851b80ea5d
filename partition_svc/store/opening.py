"""Opens the database of a data directory: at the start, and again after a failure.

All paths go through an open descriptor of the directory. A database is created only at the first
opening: later a missing database means a missing volume.
"""

import contextlib
import gc
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from common.disk.data_directory import DataDirectory, DirectoryInUse, DirectoryReplaced
from common.disk.last_shutdown import LastShutdown
from common.disk.synced_mark import SyncedMark
from partition_svc.store.damage import Damage
from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed, StoreInUse, WrongVolume
from partition_svc.store.identity import Identity, was_opened_as
from partition_svc.store.journal.journal import FOLDER
from partition_svc.store.journal.journal_file import SUFFIX
from partition_svc.store.journal.reading import MARK_NAME
from partition_svc.store.journal.replay import JournalDamaged
from partition_svc.store.journal_recovery import JournalRecovery
from partition_svc.store.journaled_database import JournaledDatabase
from partition_svc.store.space.room import Room

log = logging.getLogger(__name__)


class Reopened(NamedTuple):
    """A reopened database; with a `failure` it is read-only."""

    database: JournaledDatabase
    failure: str | None = None


class DatabaseOpener:
    """Opens the database of one data directory, which it locks until `close`."""

    def __init__(self, path: Path, *, flush_bytes: int, with_statistics: bool) -> None:
        """Raises `StoreInUse`, or `StorageFailed` if the directory cannot be created or opened."""
        self._with_statistics = with_statistics
        self._damage = Damage()
        #: The reason why the data here must not be used any more.
        self._wrong_volume: str | None = None
        try:
            self.directory = DataDirectory(path)
            self.mark = SyncedMark(self.directory.stable_path, MARK_NAME)
            self.journal = JournalRecovery(self.directory, self.mark, flush_bytes=flush_bytes)
        except DirectoryInUse as error:
            raise StoreInUse(str(error)) from error
        except OSError as error:
            raise StorageFailed(f"cannot open {path}: {error}") from error

    def first(self) -> JournaledDatabase:
        """Opens the database; read-only if it cannot be written, so that the first write fails.

        Raises:
            StorageFailed: it cannot even be read, or its journal is damaged.
            StoreInUse
        """
        with self._failures(), self._last_end() as last_end:
            may_create = _is_without_database(self.directory.stable_path)
            try:
                return self._recovered(self._writable(may_create=may_create), last_end)
            except JournalDamaged:
                raise
            except StorageFailed as error:
                with contextlib.suppress(StorageFailed):
                    database = self._read_only()
                    log.error("%s; the store is read-only", error)
                    return database
                raise

    def again(self, before: JournaledDatabase, identity: Identity, room: Room) -> "Reopened":
        """Closes a database after a failure and reopens it. It must be the one of `identity`.

        Raises:
            StorageFailed: `before` stays open, or nothing can be opened.
        """
        self._check()
        if not room.is_enough():
            raise StorageFailed(f"no room on the disk of {self.directory.path}")
        # While the disk takes no writes, `before` has everything in memory that reads need.
        room.check_writes()
        try:
            before.secure()
        except OSError as error:
            raise StorageFailed(f"cannot write the journal again: {error}") from error
        with contextlib.suppress(Exception):
            self._damage.find_families(before.database.state.live_files())
        before.close()
        # Iterators and writes that are still referenced would keep the lock.
        gc.collect()
        with self._failures():
            try:
                return Reopened(self._same(identity))
            except WrongVolume as error:
                self._wrong_volume = str(error)
                raise
            except (StorageFailed, StoreInUse) as error:
                return Reopened(self._read_only(), self.directory.with_path(str(error)))

    def _same(self, identity: Identity) -> JournaledDatabase:
        with self._last_end() as last_end:
            database = self._recovered(self._writable(may_create=False), last_end)
            try:
                if was_opened_as(database.database, identity):
                    return database
            except StorageFailed:
                database.close()
                raise
            database.close()
        raise WrongVolume(
            f"the data in {self.directory.path} is not what this process has opened: "
            "restart the service"
        )

    def _recovered(self, database: Database, last_end: LastShutdown) -> JournaledDatabase:
        try:
            return self.journal.recover(database, last_end)
        except BaseException:
            database.close()
            raise

    def _read_only(self) -> JournaledDatabase:
        """Raises `StorageFailed`."""
        database = Database(self.directory.stable_path, is_writable=False)
        try:
            self.journal.check_read_only(database)
        except BaseException:
            database.close()
            raise
        return JournaledDatabase(database)

    def _check(self) -> None:
        """Raises `StorageFailed` if the path now leads to another directory or other data."""
        if self._wrong_volume is not None:
            raise StorageFailed(self._wrong_volume)
        try:
            self.directory.check()
        except (DirectoryReplaced, OSError) as error:
            raise StorageFailed(str(error)) from error

    def read_error(self, text: str) -> str:
        """Text for users of a read error."""
        return self._noted(text, by_compaction=False)

    def write_error(self, text: str) -> str:
        """Text for users of an error of a write, sync or flush, maybe caused by a compaction."""
        return self._noted(text, by_compaction=True)

    def _noted(self, text: str, *, by_compaction: bool) -> str:
        shown = self.directory.with_path(text)
        self._damage.note(shown, by_compaction=by_compaction)
        return shown

    def close(self) -> None:
        self.mark.close()
        self.directory.close()

    def _writable(self, *, may_create: bool) -> Database:
        try:
            return self._open(may_create=may_create)
        except StorageFailed:
            # The disk may be full: what the journal has allocated is enough to open a database.
            self.journal.release_space()
            return self._open(may_create=may_create)

    def _open(self, *, may_create: bool) -> Database:
        return Database(
            self.directory.stable_path,
            may_create=may_create,
            with_statistics=self._with_statistics,
            damage=self._damage,
        )

    @contextlib.contextmanager
    def _last_end(self) -> Iterator[LastShutdown]:
        path = self.directory.stable_path
        last_end = LastShutdown(path, shown=self.directory.path, mark=SyncedMark(path))
        try:
            yield last_end
        finally:
            last_end.discard()

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Makes errors name the path that users know."""
        try:
            yield
        except (StorageFailed, StoreInUse) as error:
            raise type(error)(self.directory.with_path(str(error))) from error


def _is_without_database(path: Path) -> bool:
    """True if the directory has no file of a database, so that one may be created."""
    patterns = "CURRENT", "*.sst", "*.log", f"{FOLDER}/*{SUFFIX}"
    return not any(True for pattern in patterns for _ in path.glob(pattern))
