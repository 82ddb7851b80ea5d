"""The markers of copies that moves bring here, in memory and in the store.

A copy has a marker from before its first batch until this member serves or deletes it. Both change
in the same exclusive task of the committer: a move can be cancelled at any time, and a marker that
only the store has would make the next process delete a log that is served.
"""

from common.ports.partitions import LogId
from partition_svc.log.commit.committer import Committer
from partition_svc.store.keys import CopyMarker, incoming_key, log_key
from partition_svc.store.keys import log_id as log_id_of_key
from partition_svc.store.log_store import LogStore


class CopyMarkers:
    """The marker of every copy. A copy that was promoted has none."""

    def __init__(self, committer: Committer, store: LogStore) -> None:
        """Raises `StorageFailed` if the markers cannot be read."""
        self.by_log: dict[LogId, CopyMarker] = {}
        self._committer = committer
        self._store = store
        self.reload()

    def reload(self) -> None:
        """Reads all markers from the store."""
        self.by_log.clear()
        for key, marker in self._store.reader.incoming():
            # Batches of a later epoch were appended here, so the log is no copy: its marker is of
            # a move that an earlier release has cancelled.
            is_whole = marker.is_whole or self._store.head(key).leader_epoch > marker.leader_epoch
            self.by_log[LogId(*log_id_of_key(key))] = marker._replace(is_whole=is_whole)

    async def put(self, log_id: LogId, marker: CopyMarker) -> None:
        """Stores the marker of a copy."""

        def write() -> None:
            changes = self._store.new_write()
            changes.put(incoming_key(log_key(*log_id)), marker.pack())
            self._store.write(changes, 0)
            self.by_log[log_id] = marker

        await self._committer.run_exclusive(write)

    async def delete(self, log_id: LogId) -> None:
        """Deletes the marker of a copy, which makes it a log."""

        def write() -> None:
            changes = self._store.new_write()
            changes.delete(incoming_key(log_key(*log_id)))
            self._store.write(changes, 0)
            self.by_log.pop(log_id, None)

        await self._committer.run_exclusive(write)
