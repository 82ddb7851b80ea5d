"""A `KvStore` in RocksDB on disk.

rocksdict raises a plain `Exception` for every error. The calls to it are the one place where that
is caught, and turned into `KvStoreFailed`.

A failed write or sync ends the process. RocksDB accepts no write after it, and a change whose sync
failed may or may not be there at the next start: a process that continued would serve a state
in memory that contradicts its store. The next start reads the state on disk.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from rocksdict import DbClosedError, Options, Rdict, ReadOptions
from rocksdict import WriteBatch as RocksBatch

from common.disk.data_directory import DataDirectory
from common.disk.last_shutdown import LastShutdown
from common.disk.reserve_file import ReserveFile
from common.disk.synced_mark import SyncedMark
from common.kv.store import KvStoreFailed, WriteBatch
from common.runtime.process import end_process

#: The state is a few megabytes: a larger memtable has no use.
_MEMTABLE_BYTES = 4 << 20
#: Reserved for a start on a full disk: for the writes of opening, and many small changes.
_RESERVE_BYTES = 8 << 20
_OPEN_FILES_MAX = 64
_INFO_LOG_FILES_KEPT = 3
_INFO_LOG_BYTES_MAX = 1 << 20


class RocksKvStore:
    """Implements `KvStore`."""

    def __init__(
        self, path: Path, *, on_failed_write: Callable[[str], NoReturn] = end_process
    ) -> None:
        """Opens the store at `path`, and creates the directory if it is missing.

        `on_failed_write` is called with the reason when a write or sync fails. It must not return.

        Raises:
            KvStoreFailed: another process holds the store, it is damaged, or there is an I/O error.
        """
        self._path = path
        self._on_failed_write = on_failed_write
        self._directory: DataDirectory | None = None
        with self._failures("open"):
            self._directory = DataDirectory(path)
            try:
                self._db = self._open(self._directory)
            except BaseException:
                self._directory.close()
                raise

    def _open(self, directory: DataDirectory) -> Rdict:
        reserve = ReserveFile(directory, _RESERVE_BYTES)
        reserve.release_if_needed()
        self._mark = SyncedMark(directory.stable_path)
        last_shutdown = LastShutdown(directory.stable_path, shown=directory.path, mark=self._mark)
        try:
            db = Rdict(str(directory.stable_path), _options())
            last_shutdown.report(db.latest_sequence_number())
        finally:
            last_shutdown.discard()
        self._mark.begin(db.latest_sequence_number())
        reserve.restore()
        return db

    def get(self, key: bytes) -> bytes | None:
        with self._failures("read"):
            value: bytes | None = self._db.get(key)
            return value

    def scan(self, start: bytes, end: bytes) -> list[tuple[bytes, bytes]]:
        with self._failures("read"):
            options = ReadOptions()
            options.set_iterate_upper_bound(end)
            # All at once: an open iterator would hold the lock of a closed store.
            entries: list[tuple[bytes, bytes]] = []
            iterator = self._db.iter(options)
            iterator.seek(start)
            while iterator.valid():
                entries.append((iterator.key(), iterator.value()))
                iterator.next()
            # An iterator is invalid after an I/O error or a damaged block too: this raises it.
            iterator.status()
            return entries

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        """See `KvStore.write`. Raises `KvStoreFailed` only before anything is written."""
        with self._failures("write"):
            changes = _rocks_batch(batch)
        try:
            self._db.write(changes)
            if sync:
                # A synced write would hold the GIL until the disk is done; this does not.
                self._db.flush_wal(True)
                self._mark.advance(self._db.latest_sequence_number())
        except DbClosedError as error:
            raise KvStoreFailed(f"cannot write {self._path}: it is closed") from error
        except Exception as error:  # noqa: BLE001 - rocksdict raises nothing more specific
            self._on_failed_write(
                f"cannot write the metadata store {self._path}: {self._describe(error)}"
            )

    def close(self) -> None:
        with suppress(Exception):
            # This fails after a failed write: the next start then reports an unclean end.
            self._db.flush_wal(True)
            self._mark.end(self._db.latest_sequence_number())
        try:
            with self._failures("close"), suppress(DbClosedError):
                self._db.close()
        finally:
            self._mark.close()
            if self._directory is not None:
                self._directory.close()

    @contextmanager
    def _failures(self, operation: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise KvStoreFailed(
                f"cannot {operation} {self._path}: {self._describe(error)}"
            ) from error

    def _describe(self, error: Exception) -> str:
        text = str(error)
        return text if self._directory is None else self._directory.with_path(text)


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(_MEMTABLE_BYTES)
    options.set_max_open_files(_OPEN_FILES_MAX)
    options.set_keep_log_file_num(_INFO_LOG_FILES_KEPT)
    options.set_max_log_file_size(_INFO_LOG_BYTES_MAX)
    return options


def _rocks_batch(batch: WriteBatch) -> RocksBatch:
    changes = RocksBatch(raw_mode=True)
    for key, value in batch:
        if value is None:
            changes.delete(key)
        else:
            changes.put(key, value)
    return changes
