"""Brings a database that was just opened to the end of its journal, and begins the next file."""

import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn

from common.disk.data_directory import DataDirectory
from common.disk.last_shutdown import LastShutdown
from common.disk.synced_mark import Mark, SyncedMark
from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed
from partition_svc.store.journal.journal import FOLDER, Journal
from partition_svc.store.journal.journal_file import (
    file_numbers,
    sync_directory,
    write_again,
)
from partition_svc.store.journal.reading import JournalReader, needed_files
from partition_svc.store.journal.record import ChangeGroup
from partition_svc.store.journal.replay import Replayed, replay
from partition_svc.store.journaled_database import JournaledDatabase, ReplayTarget

log = logging.getLogger(__name__)

#: Part (one in N) of a generation that the journal allocates at a time, within limits.
_CHUNK_PART: Final = 8
_CHUNK_BYTES_MIN: Final = 1 << 20
_CHUNK_BYTES_MAX: Final = 8 << 20


class JournalRecovery:
    """The journal of one data directory, before its database is used."""

    def __init__(self, directory: DataDirectory, mark: SyncedMark, *, flush_bytes: int) -> None:
        self._directory = directory
        self._folder = directory.stable_path / FOLDER
        self._mark = mark
        #: That of releases without a journal.
        self._older_mark = SyncedMark(directory.stable_path)
        chunk = min(max(flush_bytes // _CHUNK_PART, _CHUNK_BYTES_MIN), _CHUNK_BYTES_MAX)
        self._chunk_bytes = chunk

    def recover(self, database: Database, last_shutdown: LastShutdown) -> JournaledDatabase:
        """Replays the journal, and makes what it had durable in RocksDB. Blocks.

        If the disk has no room for that, the result is read-only; everything can be read.

        Raises:
            JournalDamaged: nothing may be served.
            StorageFailed: the journal cannot be read.
        """
        markers = database.markers()
        try:
            create_folder(self._folder)
            is_new = not any(markers) and not file_numbers(self._folder)
            if is_new or self._older_mark.read() is not None:
                # The last process was of a release that used RocksDB's write-ahead log.
                last_shutdown.report(database.sequence)
            if is_new:
                return self._begun(database, epoch=1, last_sequence=database.sequence)
            mark = self._mark.read()
            if mark is None or not mark.was_closed:
                self._secure()
            replayed = self._replay(markers, ReplayTarget(database).apply, mark)
        except OSError as error:
            raise StorageFailed(f"cannot read the journal: {error}") from error
        if mark is not None and mark.was_closed:
            log.info("%s: the last process closed it", self._directory.path)
        # After a failed sync RocksDB may have groups that the journal has lost. A number that a
        # marker has must not be used again: the next replay would skip that group.
        last_sequence = max(replayed.end.sequence, *markers)
        return self._begun(database, epoch=replayed.epoch + 1, last_sequence=last_sequence)

    def _secure(self) -> None:
        """Makes durable what a killed process has not synced, before RocksDB has part of it.

        RocksDB flushes its families one by one; each file but the last was synced before that.
        """
        for file in reversed(needed_files(self._folder)):
            write_again(file.path)
            if file.header is not None:
                return

    def _begun(self, database: Database, *, epoch: int, last_sequence: int) -> JournaledDatabase:
        """Flushes, begins a file and removes those before it; read-only if that is not possible."""
        journal: Journal | None = None
        try:
            database.flush(wait=True)
            journal = Journal(
                self._folder,
                epoch=epoch,
                last_sequence=last_sequence,
                chunk_bytes=self._chunk_bytes,
            )
            journal.remove_flushed(database.immutable_memtables)
        except Exception as error:  # noqa: BLE001 - rocksdict raises plain exceptions
            log.error("the store is read-only: %s", self._directory.with_path(str(error)))
            if journal is not None:
                journal.close()
            return JournaledDatabase(database)
        self._mark.begin(last_sequence)
        self._older_mark.remove()
        return JournaledDatabase(database, journal)

    def check_read_only(self, database: Database) -> None:
        """Checks that a read-only database lacks nothing.

        Raises:
            StorageFailed: its journal has more, or cannot be read.
            JournalDamaged
        """
        markers = database.markers()
        if not any(markers) and not file_numbers(self._folder):
            return
        try:
            self._replay(markers, _refuse, self._mark.read())
        except OSError as error:
            raise StorageFailed(f"cannot read the journal: {error}") from error

    def _replay(
        self, markers: Sequence[int], apply: Callable[[ChangeGroup], None], mark: Mark | None
    ) -> Replayed:
        return replay(
            self._folder,
            markers,
            apply,
            synced_sequence=0 if mark is None else mark.sequence,
            shown=self._directory.path,
        )

    def release_space(self) -> None:
        """Frees what the last file of the journal has allocated and not used."""
        with contextlib.suppress(OSError):
            reader = JournalReader(self._folder)
            for _ in reader.groups():
                pass
            end = reader.end
            if end.path is not None and not end.unreadable_bytes and not end.is_damage(0):
                os.truncate(end.path, end.position)


def create_folder(folder: Path) -> None:
    """Creates the folder durably. Raises `OSError`."""
    folder.mkdir(exist_ok=True)
    # Also if it exists: an earlier process may have been killed before it synced the name.
    sync_directory(folder.parent)


def _refuse(_: ChangeGroup) -> NoReturn:
    raise StorageFailed(
        "it cannot be opened for writing, and changes in its journal are not yet in its files"
    )
