"""The target's side of a move: copies of logs that others still own.

A copy has a mark in the store, from before its first batch until this member serves it or has
deleted it. While it has one that does not say "whole" nobody is served from it, whatever happens.
The marks in memory change inside the chores that change those in the store: a move can be cancelled
at any time, and a mark that only the store has makes the next process delete a log that is served.
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
from partition_svc.log.transfer.incoming_log import IncomingLog
from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import (
    Incoming,
    LogHead,
    head_key,
    incoming_key,
    log_id,
    log_key,
    range_of,
)
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import Row

log = logging.getLogger(__name__)

#: Written and not synced: few enough that a sync, which others wait for too, is short.
_UNSYNCED_BYTES_MAX: Final = 4 << 20
#: So many batches in one turn of the loop, however small they are.
_BATCHES_PER_TURN: Final = 256
_ROWS_BYTES: Final = 32 << 10


class NoRoom(Exception):
    """A copy does not fit on the disk; the text says how much is missing."""


class IncomingLogs:
    """All copies that moves bring here, by log. All raise `StorageFailed`."""

    def __init__(
        self,
        committer: Committer,
        store: LogStore,
        config_of: Callable[[bytes], LogConfig] = lambda _: LogConfig(),
    ) -> None:
        """`config_of`: by topic id."""
        #: Of every copy; one that is served is a copy no more.
        self.marks: dict[LogId, Incoming] = {}
        self._open: dict[LogId, IncomingLog] = {}
        self._committer = committer
        self._store = store
        self._config_of = config_of
        # Nobody reads what is not served: nothing is kept in memory of it.
        self._cache = TailCache(0)
        self._read_marks()

    async def begin(self, move: Move) -> IncomingLog:
        """The copy for a move as far as it is here; what another move left is deleted first.

        A copy that is whole stays whole for as long as its move is there, for its source is fenced
        under the only epoch that it can have meanwhile. It is durable when this returns: the
        attempt that completed it may have ended during its sync.
        """
        wanted = LogId(move.topic_id, move.partition)
        mark = self.marks.get(wanted)
        if mark is None or mark.move_id != move.move_id:
            await self._begin_new_copy(wanted, move)
        self._abort_copy(wanted)
        copy = IncomingLog(
            wanted,
            self._store,
            self._cache,
            mark=self.marks[wanted],
            config=self._config_of(move.topic_id),
        )
        self._open[wanted] = copy
        if copy.mark.is_whole:
            await self.sync(copy)
        return copy

    def leftover_head(self, move: Move) -> LogHead | None:
        """The end of what an earlier move has left of the log; None where there is nothing.

        Raises:
            StorageFailed
        """
        wanted = LogId(move.topic_id, move.partition)
        mark = self.marks.get(wanted)
        if mark is None or mark.move_id == move.move_id:
            return None
        head = self._store.head(log_key(*wanted))
        return head if head.next_offset else None

    def keeps_leftover(self, wanted: LogId) -> bool:
        """Returns whether what a move has left of a log may be of use, and is in nobody's way."""
        try:
            return not self._config_of(wanted.topic_id).is_compacted and self.room_bytes > 0
        except StorageFailed:
            return False

    async def reuse_leftover(self, move: Move) -> None:
        """Makes what an earlier move has left the copy of this one; its source has checked that."""
        wanted = LogId(move.topic_id, move.partition)
        self._abort_copy(wanted)
        await self._put_mark(wanted, Incoming(move.move_id, move.leader_epoch))

    async def add(self, copy: IncomingLog, batches: bytes) -> None:
        """Appends batches as they are.

        Raises:
            CorruptRecords: they are not whole batches that follow each other; none is added.
            NoRoom: the logs that are served here need what is left of the disk.
        """
        if self._committer.refusal is not None or copy.closed_reason is not None:
            raise StorageFailed(self._committer.refusal or "the copy was let go of")
        # Asking takes a look at the disk.
        if not copy.unsynced_bytes:
            self.check_room(_UNSYNCED_BYTES_MAX)
        placed = copy.placed(batches)
        now_ms = int(time() * 1000)
        for start in range(0, len(placed), _BATCHES_PER_TURN):
            for batch, header in placed[start : start + _BATCHES_PER_TURN]:
                self._committer.submit(copy.take(batch, header, now_ms))
            await self._committer.flush(copy)
            copy.settled()
        if copy.unsynced_bytes >= _UNSYNCED_BYTES_MAX:
            await self.sync(copy)

    @property
    def room_bytes(self) -> int:
        """How much of the disk copies may take."""
        return self._store.copy_room_bytes

    def check_room(self, size_bytes: int) -> None:
        """Raises `NoRoom` where so many bytes more of a copy do not fit."""
        room = self.room_bytes
        if size_bytes > room:
            raise NoRoom(f"no room on the disk: {size_bytes} bytes are to come, {room} are left")

    async def sync(self, copy: IncomingLog) -> None:
        """What was added survives the loss of power."""
        await self._committer.run_exclusive(lambda: None, must_sync=True)
        copy.unsynced_bytes = 0

    async def clear_rows(self, copy: IncomingLog, kinds: Sequence[bytes]) -> None:
        """Forgets rows of state: an earlier attempt may have left some that are gone by now."""
        for kind in kinds:
            start, end = range_of(kind, copy.key)
            is_all = False
            while not is_all:
                found, is_all = self._store.reader.some_rows(start, end, _ROWS_BYTES)
                await self._change(copy, partial(self._delete_rows, [key for key, _ in found]))

    async def add_rows(self, copy: IncomingLog, rows: Sequence[Row]) -> None:
        """Rows of state as the source has them."""
        await self._change(copy, partial(self._put_rows, copy.key, rows))

    async def complete(self, copy: IncomingLog, head: LogHead) -> None:
        """Makes the copy whole, durably: it has everything up to `head`, the source's at its fence.

        Raises:
            CorruptRecords: it has not.
        """
        own = copy.completed(head)
        whole = copy.mark._replace(is_whole=True)

        def write() -> None:
            group = self._store.new_write()
            group.put(head_key(copy.key), own.pack())
            group.put(incoming_key(copy.key), whole.pack())
            self._store.write(group, 0)
            copy.mark = self.marks[copy.id] = whole

        await self._change(copy, write, must_sync=True)

    async def promote(self, wanted: LogId) -> None:
        """This member owns the log now: it is a copy no more."""
        self._abort_copy(wanted)

        def delete_mark() -> None:
            self._delete_rows([incoming_key(log_key(*wanted))])
            self.marks.pop(wanted, None)

        await self._committer.run_exclusive(delete_mark)

    async def delete(self, wanted: LogId, *, unless: Callable[[], bool] = lambda: False) -> None:
        """The log goes to somebody else, or nowhere. Durable: the record of its move may go next.

        `unless` is asked when it comes to that: whose the log is may have changed meanwhile.
        """
        self._abort_copy(wanted)

        def delete() -> None:
            if not unless():
                self._store.delete_log(log_key(*wanted))
                self.marks.pop(wanted, None)

        await self._committer.run_exclusive(delete, must_sync=True)

    def on_recovered(self) -> None:
        """After the store was opened again: what is open may be ahead of what it holds."""
        for wanted in tuple(self._open):
            self._abort_copy(wanted)
        self.marks.clear()
        self._read_marks()

    def _read_marks(self) -> None:
        for key, mark in self._store.incoming():
            # Batches of a later epoch were appended here: the mark was left behind by a move that
            # was cancelled (earlier releases did), and the log is no copy.
            is_whole = mark.is_whole or self._store.head(key).leader_epoch > mark.leader_epoch
            self.marks[LogId(*log_id(key))] = mark._replace(is_whole=is_whole)

    def _abort_copy(self, wanted: LogId) -> None:
        """Nothing that an earlier attempt has on its way is written any more."""
        copy = self._open.pop(wanted, None)
        if copy is not None:
            copy.close(Refusal.MOVING)

    async def _begin_new_copy(self, wanted: LogId, move: Move) -> None:
        key = log_key(*wanted)
        mark = Incoming(move.move_id, move.leader_epoch)
        head = self._store.head(key)
        if head.leader_epoch > move.leader_epoch:
            raise StorageFailed(f"{wanted} is newer here than where it should come from")
        if head != LogHead() or wanted in self.marks:
            await self.delete(wanted)
        await self._put_mark(wanted, mark)

    async def _put_mark(self, wanted: LogId, mark: Incoming) -> None:
        def write() -> None:
            group = self._store.new_write()
            group.put(incoming_key(log_key(*wanted)), mark.pack())
            self._store.write(group, 0)
            self.marks[wanted] = mark

        await self._committer.run_exclusive(write)

    async def _change(
        self, copy: IncomingLog, work: Callable[[], None], *, must_sync: bool = False
    ) -> None:
        """Runs `work` between groups, unless the copy was let go of by then.

        After the store was opened again a copy in memory may be ahead of what the store holds.
        """

        def change() -> None:
            if copy.closed_reason is None:
                work()

        await self._committer.run_exclusive(change, must_sync=must_sync)
        if copy.closed_reason is not None:
            raise StorageFailed("the copy was let go of")

    def _delete_rows(self, keys: Sequence[bytes]) -> None:
        group = self._store.new_write()
        for key in keys:
            group.delete(key)
        self._store.write(group, 0)

    def _put_rows(self, key: bytes, rows: Sequence[Row]) -> None:
        group = self._store.new_write()
        for kind, rest, value in rows:
            group.put(kind + key + rest, value)
        self._store.write(group, 0)
