"""Opens the database of a data directory: for the first time, and again after a failure.

Everything goes through the directory that is held open. A new database is made only in a directory
that has none at the first opening: afterwards one that is missing is a volume that is missing.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from common.data_directory import DataDirectory, DirectoryInUse, DirectoryReplaced
from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed, StoreInUse, WrongVolume
from partition_svc.store.identity import Identity, was_opened_as

log = logging.getLogger(__name__)


class Opening:
    """Of one data directory, which it holds until `close`."""

    def __init__(self, path: Path, *, with_statistics: bool) -> None:
        """Raises `StoreInUse`, or `StorageFailed` where the directory cannot be made or opened."""
        self._with_statistics = with_statistics
        try:
            self.directory = DataDirectory(path)
        except DirectoryInUse as error:
            raise StoreInUse(str(error)) from error
        except OSError as error:
            raise StorageFailed(f"cannot open {path}: {error}") from error

    def first(self) -> Database:
        """Read-only where it cannot be written: the first write fails, and leads to recovery.

        Raises:
            StorageFailed: it cannot even be read.
            StoreInUse
        """
        with self._failures():
            may_create = _is_without_database(self.directory.stable_path)
            try:
                return self._writable(may_create=may_create)
            except StorageFailed as error:
                with contextlib.suppress(StorageFailed):
                    database = self.read_only()
                    log.error("%s; reading only", error)
                    return database
                raise

    def again(self, identity: Identity) -> Database:
        """After the one before was closed. It must be the database that was opened as `identity`.

        Raises:
            WrongVolume: it is another.
            StorageFailed: it cannot be written yet.
        """
        with self._failures():
            database = self._writable(may_create=False)
            try:
                is_same = was_opened_as(database, identity)
            except StorageFailed:
                database.close()
                raise
            if not is_same:
                database.close()
                raise WrongVolume(
                    f"the data in {self.directory.path} is not what this process has opened: "
                    "restart the service"
                )
            return database

    def read_only(self) -> Database:
        """Raises `StorageFailed`."""
        return Database(self.directory.stable_path, is_writable=False)

    def check(self) -> None:
        """Raises `StorageFailed` where the path leads to another directory by now."""
        try:
            self.directory.check()
        except (DirectoryReplaced, OSError) as error:
            raise StorageFailed(str(error)) from error

    def close(self) -> None:
        self.directory.close()

    def _writable(self, *, may_create: bool) -> Database:
        return Database(
            self.directory.stable_path,
            may_create=may_create,
            with_statistics=self._with_statistics,
        )

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Has errors name the path that users know."""
        try:
            yield
        except (StorageFailed, StoreInUse) as error:
            raise type(error)(self.directory.with_path(str(error))) from error


def _is_without_database(path: Path) -> bool:
    """Whether a database may be made here. Where logs are without one, something is missing."""
    files = [*path.glob("CURRENT"), *path.glob("*.sst"), *path.glob("*.log")]
    return not files
