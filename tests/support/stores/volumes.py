"""The store of a member, read and changed from outside its process."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from partition_svc.store.atomic_write import AtomicWrite
from partition_svc.store.failures import StorageFailed
from partition_svc.store.journal.journal import FOLDER
from partition_svc.store.journal.reading import MARK_NAME
from partition_svc.store.journaled_database import JournaledDatabase
from partition_svc.store.keys import VOLUME_STATE
from partition_svc.store.opening import DatabaseOpener
from partition_svc.store.stored_volume import StoredVolume
from tests.support.waiting import eventually


def stored_volume(data_dir: Path) -> StoredVolume:
    """Current volume state, also while a process uses the volume."""
    return eventually(lambda: [_read(data_dir)], what=f"a look into {data_dir}")[0]


def settled_token(data_dir: Path, *, other_than: str = "") -> str:
    """The token that the metadata service has recorded, once no newer one is on its way."""

    def look() -> list[str]:
        tokens = stored_volume(data_dir).tokens
        return [token for token in tokens if len(tokens) == 1 and token != other_than]

    return eventually(look, what=f"a renewed token in {data_dir}")[0]


def change_boot_id(data_dir: Path) -> None:
    """The volume was last opened before the operating system was started. No process has it."""
    _change(data_dir, lambda before: replace(before, boot_id="another", is_closed=False))


@contextmanager
def opened_database(data_dir: Path) -> Iterator[JournaledDatabase]:
    """The database of a volume that no process uses, without counting the opening."""
    opening = DatabaseOpener(data_dir, flush_bytes=1 << 20, with_statistics=False)
    try:
        database = opening.first()
        try:
            yield database
        finally:
            database.close()
    finally:
        opening.close()


@contextmanager
def opened_copy(data_dir: Path) -> Iterator[JournaledDatabase]:
    """A copy of a volume that may be in use, at one moment.

    Raises:
        OSError: files came and went meanwhile; try again.
    """
    with tempfile.TemporaryDirectory(dir=data_dir.parent) as folder:
        copy = Path(folder, "copy")
        copy.mkdir()
        try:
            # The journal first: what is flushed and removed later is in RocksDB's files.
            shutil.copytree(data_dir / FOLDER, copy / FOLDER)
            for file in sorted(data_dir.iterdir(), key=lambda file: file.name == "CURRENT"):
                _copy_file(file, copy)
            with opened_database(copy) as database:
                yield database
        except (StorageFailed, shutil.Error) as error:
            raise OSError(str(error)) from error


def _copy_file(file: Path, to: Path) -> None:
    with suppress(FileNotFoundError):
        if file.suffix == ".sst":
            # Never changed once it is written.
            os.link(file, to / file.name)
        elif file.is_file() and file.name not in ("LOCK", MARK_NAME):
            shutil.copyfile(file, to / file.name)


def _change(data_dir: Path, change: Callable[[StoredVolume], StoredVolume]) -> None:
    with opened_database(data_dir) as database:
        row = StoredVolume.unpack(database.database.state.get(VOLUME_STATE))
        write = AtomicWrite()
        write.put(VOLUME_STATE, change(row).pack())
        database.write(write.changes, 0)
        database.sync()


def _read(data_dir: Path) -> StoredVolume:
    with opened_copy(data_dir) as database:
        return StoredVolume.unpack(database.database.state.get(VOLUME_STATE))
