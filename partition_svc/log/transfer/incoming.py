"""The target side of a move: copies of logs that other members still own.

A copy has a marker (`copy_markers`). A copy whose marker is not "whole" is never served.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from time import time
from typing import Final

from common.ports.moves import Move
from common.ports.partitions import LogId, Refusal
from partition_svc.log.commit.committer import Committer
from partition_svc.log.log_config import LogConfig
from partition_svc.log.tail_cache import TailCache
from partition_svc.log.transfer.copy_markers import CopyMarkers
from partition_svc.log.transfer.incoming_log import IncomingLog
from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import (
    CopyMarker,
    LogHead,
    head_key,
    incoming_key,
    log_key,
    range_of,
)
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import Row

log = logging.getLogger(__name__)

#: Limit of unsynced bytes, so that a sync, for which appends wait too, is short.
_UNSYNCED_BYTES_MAX: Final = 4 << 20
#: Limit of batches that are staged in one iteration of the event loop.
_BATCHES_PER_ITERATION: Final = 256
_ROWS_BYTES: Final = 32 << 10


class NoRoom(Exception):
    """Raised when a copy does not fit on the disk; the message has the missing bytes."""


class IncomingLogs:
    """All copies that moves bring here. All methods raise `StorageFailed`."""

    def __init__(
        self,
        committer: Committer,
        store: LogStore,
        markers: CopyMarkers,
        config_of: Callable[[bytes], LogConfig] = lambda _: LogConfig(),
    ) -> None:
        """`markers`: those in the store. `config_of` returns the config of a topic id."""
        self._stored_markers = markers
        #: The marker of every copy.
        self.markers = self._stored_markers.by_log
        self._open: dict[LogId, IncomingLog] = {}
        self._committer = committer
        self._store = store
        self._config_of = config_of
        # Copies are not read, so they are not cached.
        self._cache = TailCache(0)

    async def begin(self, move: Move) -> IncomingLog:
        """Opens the copy for a move; what another move has left of the log is deleted first.

        A whole copy stays whole while its move exists, because its source is fenced under the only
        epoch that it can have meanwhile. It is durable when this returns: the attempt that
        completed it may have ended during its sync.
        """
        log_id = LogId(move.topic_id, move.partition)
        marker = self.markers.get(log_id)
        if marker is None or marker.move_id != move.move_id:
            await self._begin_new_copy(log_id, move)
        self._abort_copy(log_id)
        copy = IncomingLog(
            log_id,
            self._store,
            self._cache,
            marker=self.markers[log_id],
            config=self._config_of(move.topic_id),
        )
        self._open[log_id] = copy
        if copy.marker.is_whole:
            await self.sync(copy)
        return copy

    def leftover_head(self, move: Move) -> LogHead | None:
        """Returns the head of what an earlier move has left of the log, or None.

        Raises:
            StorageFailed
        """
        log_id = LogId(move.topic_id, move.partition)
        marker = self.markers.get(log_id)
        if marker is None or marker.move_id == move.move_id:
            return None
        head = self._store.head(log_key(*log_id))
        return head if head.next_offset else None

    def keeps_leftover(self, log_id: LogId) -> bool:
        """Returns True if a leftover copy may be reused by a later move, and the disk has room."""
        try:
            return not self._config_of(log_id.topic_id).is_compacted and self.room_bytes > 0
        except StorageFailed:
            return False

    async def reuse_leftover(self, move: Move) -> None:
        """Makes a leftover the copy of this move; the source has confirmed that it is a prefix."""
        log_id = LogId(move.topic_id, move.partition)
        self._abort_copy(log_id)
        await self._stored_markers.put(log_id, CopyMarker(move.move_id, move.leader_epoch))

    async def add(self, copy: IncomingLog, batches: bytes) -> None:
        """Appends batches to a copy unchanged.

        Raises:
            CorruptRecords: they are not whole batches that follow the copy; none is added.
            NoRoom: the logs that are served here need the rest of the disk.
        """
        if self._committer.refusal is not None or copy.closed_reason is not None:
            raise StorageFailed(self._committer.refusal or "the copy was aborted")
        # The check queries the disk, so it is not made for every call.
        if not copy.unsynced_bytes:
            self.check_room(_UNSYNCED_BYTES_MAX)
        copied = copy.split(batches)
        now_ms = int(time() * 1000)
        for start in range(0, len(copied), _BATCHES_PER_ITERATION):
            for batch, header in copied[start : start + _BATCHES_PER_ITERATION]:
                self._committer.submit(copy.stage_copied(batch, header, now_ms))
            await self._committer.flush(copy)
            copy.on_flushed()
        if copy.unsynced_bytes >= _UNSYNCED_BYTES_MAX:
            await self.sync(copy)

    @property
    def room_bytes(self) -> int:
        """Bytes of the disk that copies may take."""
        return self._store.copy_room_bytes

    def check_room(self, size_bytes: int) -> None:
        """Raises `NoRoom` if `size_bytes` more of a copy do not fit."""
        room = self.room_bytes
        if size_bytes > room:
            raise NoRoom(f"no room on the disk: {size_bytes} bytes are needed, {room} are left")

    async def sync(self, copy: IncomingLog) -> None:
        """Makes everything that was added durable."""
        await self._committer.run_exclusive(lambda: None, must_sync=True)
        copy.unsynced_bytes = 0

    async def clear_rows(self, copy: IncomingLog, kinds: Sequence[bytes]) -> None:
        """Deletes rows of state, of which an earlier attempt may have stored obsolete ones."""
        for kind in kinds:
            start, end = range_of(kind, copy.key)
            is_all = False
            while not is_all:
                found, is_all = self._store.reader.some_rows(start, end, _ROWS_BYTES)
                await self._change(copy, partial(self._delete_rows, [key for key, _ in found]))

    async def add_rows(self, copy: IncomingLog, rows: Sequence[Row]) -> None:
        """Stores rows of state of the source."""
        await self._change(copy, partial(self._put_rows, copy.key, rows))

    async def complete(self, copy: IncomingLog, head: LogHead) -> None:
        """Marks the copy as whole, durably; `head` is that of the source at its fence.

        Raises:
            CorruptRecords: the copy is incomplete.
        """
        own = copy.completed_head(head)
        whole = copy.marker._replace(is_whole=True)

        def write() -> None:
            changes = self._store.new_write()
            changes.put(head_key(copy.key), own.pack())
            changes.put(incoming_key(copy.key), whole.pack())
            self._store.write(changes, 0)
            copy.marker = self.markers[copy.id] = whole

        await self._change(copy, write, must_sync=True)

    async def promote(self, log_id: LogId) -> None:
        """Makes the copy a log that this member owns: removes the marker."""
        self._abort_copy(log_id)
        await self._stored_markers.delete(log_id)

    async def delete(self, log_id: LogId, *, unless: Callable[[], bool] = lambda: False) -> None:
        """Deletes a log or copy durably, so that the record of its move can be removed.

        `unless` is called right before, because the owner may have changed meanwhile; if it
        returns True nothing is deleted.
        """
        self._abort_copy(log_id)

        def delete() -> None:
            if not unless():
                self._store.delete_log(log_key(*log_id))
                self.markers.pop(log_id, None)

        await self._committer.run_exclusive(delete, must_sync=True)

    def on_recovered(self) -> None:
        """Aborts open copies after the store was opened again, since they may be ahead of it."""
        for log_id in tuple(self._open):
            self._abort_copy(log_id)
        self._stored_markers.reload()

    def _abort_copy(self, log_id: LogId) -> None:
        """Ends an earlier attempt: nothing that it has staged or queued is written."""
        copy = self._open.pop(log_id, None)
        if copy is not None:
            copy.close(Refusal.MOVING)

    async def _begin_new_copy(self, log_id: LogId, move: Move) -> None:
        key = log_key(*log_id)
        marker = CopyMarker(move.move_id, move.leader_epoch)
        head = self._store.head(key)
        if head.leader_epoch > move.leader_epoch:
            raise StorageFailed(f"the copy of {log_id} here is newer than its source")
        if head != LogHead() or log_id in self.markers:
            await self.delete(log_id)
        await self._stored_markers.put(log_id, marker)

    async def _change(
        self, copy: IncomingLog, work: Callable[[], None], *, must_sync: bool = False
    ) -> None:
        """Runs `work` as an exclusive task, unless the copy is aborted before.

        After the store was opened again a copy in memory may be ahead of the store.
        """

        def change() -> None:
            if copy.closed_reason is None:
                work()

        await self._committer.run_exclusive(change, must_sync=must_sync)
        if copy.closed_reason is not None:
            raise StorageFailed("the copy was aborted")

    def _delete_rows(self, keys: Sequence[bytes]) -> None:
        changes = self._store.new_write()
        for key in keys:
            changes.delete(key)
        self._store.write(changes, 0)

    def _put_rows(self, key: bytes, rows: Sequence[Row]) -> None:
        changes = self._store.new_write()
        for kind, rest, value in rows:
            changes.put(kind + key + rest, value)
        self._store.write(changes, 0)
