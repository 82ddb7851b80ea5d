"""Changes that are stored atomically: collected here, written to the journal, then to RocksDB."""

from collections.abc import Sequence
from typing import Final

from rocksdict import ColumnFamily, WriteBatch

from partition_svc.store.keys import family_of

#: Column families in the order of `Database.families`; those of batches follow `family_of`.
STATE: Final = 0
FAMILY_COUNT: Final = 3

#: Kinds of changes. A put has two parts (key, value), a delete one, a range delete two.
PUT, DELETE, DELETE_RANGE = range(3)


#: Consecutive changes: their family, their kind, and the parts of all, one after another. Changes
#: of different families are independent, so only the order within a family counts.
Changes = tuple[int, int, list[bytes]]


class AtomicWrite:
    """Rows and batches that are stored together or not at all. Keys and values are `bytes`."""

    __slots__ = ("_open", "changes", "compacted_bytes")

    def __init__(self) -> None:
        first: Changes = STATE, PUT, []
        self.changes: list[Changes] = [first]
        #: Bytes of appended batches in the family `compacted`.
        self.compacted_bytes = 0
        self._open: list[Changes | None] = [first, None, None]

    def puts(self, family: int = STATE) -> list[bytes]:
        """The list to which keys and values to put are added, until something is deleted.

        For loops over many batches: it saves a call for each.
        """
        return self._parts(family, PUT)

    def put(self, key: bytes, value: bytes) -> None:
        """Puts a row of state."""
        self._parts(STATE, PUT).extend((key, value))

    def delete(self, key: bytes) -> None:
        """Deletes a row of state."""
        self._parts(STATE, DELETE).append(key)

    def delete_rows(self, start: bytes, end: bytes) -> None:
        """Deletes the rows of state with start <= key < end."""
        self._parts(STATE, DELETE_RANGE).extend((start, end))

    def put_batch(self, key: bytes, batch: bytes) -> None:
        self._parts(batch_family(key), PUT).extend((key, batch))

    def delete_batch(self, key: bytes) -> None:
        self._parts(batch_family(key), DELETE).append(key)

    def delete_batches(self, start: bytes, end: bytes) -> None:
        """Deletes the batches with start <= key < end, which must be in one family."""
        self._parts(batch_family(start), DELETE_RANGE).extend((start, end))

    def _parts(self, family: int, kind: int) -> list[bytes]:
        current = self._open[family]
        if current is None or current[1] != kind:
            current = self._open[family] = family, kind, []
            self.changes.append(current)
        return current[2]


def batch_family(key: bytes) -> int:
    """The family of a batch with this key, or of all keys with this prefix."""
    return 1 + family_of(key)


def to_write_batch(
    changes: Sequence[Changes], handles: Sequence[ColumnFamily | None]
) -> WriteBatch:
    """Changes as a batch of RocksDB. `handles`: column families in the order of `family`."""
    batch = WriteBatch(raw_mode=True)
    put = batch.put
    for family, kind, parts in changes:
        handle = handles[family]
        if kind == PUT:
            for at in range(0, len(parts), 2):
                put(parts[at], parts[at + 1], handle)
        elif kind == DELETE:
            for key in parts:
                batch.delete(key, handle)
        else:
            for at in range(0, len(parts), 2):
                batch.delete_range(parts[at], parts[at + 1], handle)
    return batch
