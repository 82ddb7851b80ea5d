"""Identity stored on a member's volume, read and changed from outside."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import VOLUME_STATE
from partition_svc.store.stored_volume import StoredVolume
from tests.support.waiting import eventually


def stored_volume(data_dir: Path) -> StoredVolume:
    """Current identity, also while a process uses the volume."""
    return eventually(lambda: [_read(data_dir)], what=f"a look into {data_dir}")[0]


def settled_token(data_dir: Path, *, other_than: str = "") -> str:
    """The token that the metadata service has recorded, once no newer one is on its way."""

    def look() -> list[str]:
        tokens = stored_volume(data_dir).tokens
        return [one for one in tokens if len(tokens) == 1 and one != other_than]

    return eventually(look, what=f"a renewed token in {data_dir}")[0]


def pretend_that_the_machine_went_down(data_dir: Path) -> None:
    """The volume was last opened before the operating system was started. No process has it."""
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
        # Files come and go under a reader without a lock.
        raise OSError(str(error)) from error
    try:
        return StoredVolume.unpack(database.state.get(VOLUME_STATE))
    finally:
        database.close()
