"""The identity on the volume of a member, which tests read and change."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import VOLUME_STATE
from partition_svc.store.stored_volume import StoredVolume
from tests.support.waiting import eventually


def stored_volume(data_dir: Path) -> StoredVolume:
    """Returns the current identity, also while a process uses the volume."""
    return eventually(lambda: [_read(data_dir)], what=f"the identity of {data_dir}")[0]


def settled_token(data_dir: Path, *, other_than: str = "") -> str:
    """Waits until the metadata service has recorded the only token, and returns that."""

    def find_settled() -> list[str]:
        tokens = stored_volume(data_dir).tokens
        return [token for token in tokens if len(tokens) == 1 and token != other_than]

    return eventually(find_settled, what=f"a renewed token in {data_dir}")[0]


def change_boot_id(data_dir: Path) -> None:
    """Changes the boot id, as if the machine had crashed. No process may have the volume open."""
    _change(data_dir, lambda before: replace(before, boot_id="another", is_closed=False))


def _change(data_dir: Path, change: Callable[[StoredVolume], StoredVolume]) -> None:
    database = Database(data_dir)
    try:
        row = StoredVolume.unpack(database.state.get(VOLUME_STATE))
        database.state.put(VOLUME_STATE, change(row).pack())
        database.state.flush_wal(True)
    finally:
        database.close()


def _read(data_dir: Path) -> StoredVolume:
    try:
        database = Database(data_dir, is_writable=False)
    except StorageFailed as error:
        # RocksDB may remove files while a reader without lock opens them.
        raise OSError(str(error)) from error
    try:
        return StoredVolume.unpack(database.state.get(VOLUME_STATE))
    finally:
        database.close()
