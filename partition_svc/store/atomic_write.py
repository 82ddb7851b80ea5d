"""Changes that the store writes atomically."""

from collections.abc import Sequence

from rocksdict import ColumnFamily, WriteBatch

from partition_svc.store.keys import family_of


class AtomicWrite:
    """Rows and batches that are stored together or not at all. Values are `bytes`."""

    __slots__ = ("_families", "changes", "compacted_bytes", "delete", "put")

    def __init__(self, batch_families: Sequence[ColumnFamily]) -> None:
        """`batch_families`: the families of batches in the order of `family_of`."""
        self._families = batch_families
        self.changes = WriteBatch(raw_mode=True)
        #: Bytes of appended batches in the family `compacted`.
        self.compacted_bytes = 0
        #: `put(key, value)` and `delete(key)` of rows of state.
        self.put = self.changes.put
        self.delete = self.changes.delete

    def put_batch(self, key: bytes, batch: bytes) -> None:
        self.changes.put(key, batch, self._families[family_of(key)])

    def family(self, prefix: bytes) -> ColumnFamily:
        """Family of batches whose keys begin with `prefix`, for `put(key, batch, family)`."""
        return self._families[family_of(prefix)]

    def delete_batch(self, key: bytes) -> None:
        self.changes.delete(key, self._families[family_of(key)])

    def delete_rows(self, start: bytes, end: bytes) -> None:
        """Deletes the rows of state with start <= key < end."""
        self.changes.delete_range(start, end)

    def delete_batches(self, start: bytes, end: bytes) -> None:
        """Deletes the batches with start <= key < end, which must be in one family."""
        self.changes.delete_range(start, end, self._families[family_of(start)])
