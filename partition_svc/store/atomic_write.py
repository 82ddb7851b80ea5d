"""What goes into the store in one atomic write."""

from collections.abc import Sequence

from rocksdict import ColumnFamily, WriteBatch

from partition_svc.store.keys import family_of


class AtomicWrite:
    """Rows and batches that are stored together or not at all. Values must be `bytes`."""

    __slots__ = ("_families", "changes", "compacted_bytes", "delete", "put")

    def __init__(self, batch_families: Sequence[ColumnFamily]) -> None:
        """The families of batches in the order of `family_of`."""
        self._families = batch_families
        self.changes = WriteBatch(raw_mode=True)
        #: Of appended batches, so many are in the family `compacted`.
        self.compacted_bytes = 0
        #: `put(key, value)` and `delete(key)` of rows of state.
        self.put = self.changes.put
        self.delete = self.changes.delete

    def put_batch(self, key: bytes, batch: bytes) -> None:
        self.changes.put(key, batch, self._families[family_of(key)])

    def family(self, prefix: bytes) -> ColumnFamily:
        """Of batches whose keys begin with `prefix`, for `put(key, batch, family)`."""
        return self._families[family_of(prefix)]

    def delete_batch(self, key: bytes) -> None:
        self.changes.delete(key, self._families[family_of(key)])

    def delete_rows(self, start: bytes, end: bytes) -> None:
        """All rows of state with start <= key < end."""
        self.changes.delete_range(start, end)

    def delete_batches(self, start: bytes, end: bytes) -> None:
        """All batches with start <= key < end, which are in one family."""
        self.changes.delete_range(start, end, self._families[family_of(start)])
