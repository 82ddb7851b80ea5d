"""What goes into the store in one atomic write."""

from rocksdict import ColumnFamily, WriteBatch


class Group:
    """Rows and batches that are stored together or not at all. Values must be `bytes`."""

    __slots__ = ("_batches", "changes", "delete", "put")

    def __init__(self, batches: ColumnFamily) -> None:
        self._batches = batches
        self.changes = WriteBatch(raw_mode=True)
        #: `put(key, value)` and `delete(key)` of rows of state.
        self.put = self.changes.put
        self.delete = self.changes.delete

    def put_batch(self, key: bytes, batch: bytes) -> None:
        self.changes.put(key, batch, self._batches)

    def delete_batch(self, key: bytes) -> None:
        self.changes.delete(key, self._batches)

    def delete_rows(self, start: bytes, end: bytes) -> None:
        """All rows of state with start <= key < end."""
        self.changes.delete_range(start, end)

    def delete_batches(self, start: bytes, end: bytes) -> None:
        """All batches with start <= key < end."""
        self.changes.delete_range(start, end, self._batches)
