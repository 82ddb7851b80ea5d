"""Identity of a data directory: created with it, and counted at each opening.

The metadata service compares it: a member that registers with another directory would silently
lack its logs, and of two processes with one name the later one is right.
"""

import logging
import struct
from typing import Final, NamedTuple
from uuid import uuid4

from partition_svc.store.atomic_write import AtomicWrite
from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed, storage_failures
from partition_svc.store.journaled_database import JournaledDatabase
from partition_svc.store.keys import VOLUME, VOLUME_STATE
from partition_svc.store.stored_volume import StoredVolume, current_boot_id

log = logging.getLogger(__name__)

_INCARNATION: Final = struct.Struct(">Q")


class Identity(NamedTuple):
    """`incarnation`: number of openings of the directory, from 1.

    `opening_id` is random: two processes never share it, even if one opened a copy of the directory
    and so counts the same incarnation. `is_uncertain`: counting this opening failed, but the
    journal may have it.
    """

    volume_id: str
    incarnation: int
    opening_id: str
    is_uncertain: bool = False

    def pack(self) -> bytes:
        return _INCARNATION.pack(self.incarnation) + self.volume_id.encode()

    @classmethod
    def unpack(cls, row: bytes) -> "Identity":
        (incarnation,) = _INCARNATION.unpack_from(row)
        return cls(row[_INCARNATION.size :].decode(), incarnation, uuid4().hex)


def read_identity(database: Database) -> Identity:
    """The stored identity; incarnation 0 in a directory that was never counted."""
    with storage_failures("read"):
        row: bytes | None = database.state.get(VOLUME)
    return Identity(uuid4().hex, 0, uuid4().hex) if row is None else Identity.unpack(row)


def identify(database: JournaledDatabase, generation: int) -> Identity:
    """Counts this opening if the directory can be written. `generation`: the open one.

    Otherwise returns the identity of the last opening, which the metadata service accepts.
    """
    if database.is_writable:
        try:
            return count_opening(database, generation)
        except StorageFailed as error:
            log.error("%s; the store is read-only", error)
            return read_identity(database.database)._replace(is_uncertain=True)
    return read_identity(database.database)


def count_opening(database: JournaledDatabase, generation: int) -> Identity:
    """Counts this opening durably, before any other process can learn of the incarnation.

    Raises:
        StorageFailed: the row could not be written.
    """
    before = read_identity(database.database)
    now = before._replace(incarnation=before.incarnation + 1)
    volume = read_volume(database.database, was_opened=before.incarnation > 0)
    write = AtomicWrite()
    write.put(VOLUME, now.pack())
    write.put(VOLUME_STATE, volume.opened(current_boot_id()).pack())
    with storage_failures("write"):
        database.write(write.changes, generation)
        database.sync()
    return now


def read_volume(database: Database, *, was_opened: bool) -> StoredVolume:
    """Reads the volume state of the directory.

    `was_opened`: the directory was opened before, maybe by an older release, which does not store
    how it ended.
    """
    with storage_failures("read"):
        row: bytes | None = database.state.get(VOLUME_STATE)
    return StoredVolume(is_closed=not was_opened) if row is None else StoredVolume.unpack(row)


def was_opened_as(database: Database, identity: Identity) -> bool:
    """True if the last counted opening is `identity`.

    False for another volume, and for an older or newer state of this one. A directory that was
    never counted has no row to compare. If the opening is uncertain, the replay of the journal may
    have counted it. Raises `StorageFailed`.
    """
    found = read_identity(database)
    counted = found._replace(incarnation=found.incarnation - 1)
    return (
        identity.incarnation == 0
        or found[:2] == identity[:2]
        or (identity.is_uncertain and counted[:2] == identity[:2])
    )
