"""The source side of a move: reading a log for the target, and the fence.

Batches are durable before the target gets them. Otherwise a source that loses power could restart
with less than the target has, and assign the same offsets to other records.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from common.ports.partitions import LogId, Refusal
from partition_svc.log.commit.committer import Committer
from partition_svc.log.commit.recovery import Recovery
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.producers import row_before
from partition_svc.log.registry import LogRegistry
from partition_svc.store.keys import LOG_KEY_BYTES, PRODUCERS, LogHead, range_of
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import ReadLimits, Row

#: Limits of one read, so that neither source nor target blocks its event loop for long.
_PIECE: Final = ReadLimits(bytes_max=256 << 10, pause_bytes=256 << 10, at_least_one=True)
#: Rows are small: about 500 of them take as long as a read of batches.
_ROWS_BYTES: Final = 32 << 10


class NotMoveSource(Exception):
    """Raised when this member cannot hand over the log in this move; `refusal` has the reason."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal


class OutgoingLogs:
    """Logs of this member, read by the targets of moves.

    All methods raise `StorageFailed` and `NotMoveSource`.
    """

    def __init__(
        self,
        registry: LogRegistry,
        committer: Committer,
        recovery: Recovery,
        store: LogStore,
        *,
        on_fenced: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_fenced` is called as soon as a log accepts no more appends."""
        self._registry = registry
        self._committer = committer
        self._recovery = recovery
        self._store = store
        self._on_fenced = on_fenced

    async def find(self, move_id: int, log_id: LogId, leader_epoch: int) -> PartitionLog:
        """Returns the log if this member owns it under this epoch and knows of the move."""
        await self._recovery.until_readable()
        log = self._registry.find(log_id)
        if isinstance(log, Refusal):
            raise NotMoveSource(log)
        refusal = log.epoch_refusal(leader_epoch)
        if refusal is not None:
            raise NotMoveSource(refusal)
        move = self._registry.view.move_of(*log_id)
        if move is None or move.move_id != move_id:
            raise NotMoveSource(Refusal.NOT_OWNER)
        return log

    async def durable_head(self, log: PartitionLog) -> LogHead:
        """Returns the current head of the log, once everything up to it is durable."""
        head = log.head
        await self._committer.run_exclusive(_nothing, must_sync=True)
        return head

    def has_prefix(self, log: PartitionLog, *, end_offset: int, last_epoch: int) -> bool:
        """Returns True if a copy up to `end_offset`, of epoch `last_epoch`, is a prefix of `log`.

        An epoch belongs to one owner, so logs with the same end of an epoch have the same batches
        before it (KIP-101). Returns False for a compacted log: compaction may have removed
        tombstones of records that the copy has.
        """
        if log.config.is_compacted or not log.log_start_offset <= end_offset <= log.next_offset:
            return False
        epochs = dict(self._store.reader.epochs(log.key))
        later = (start for epoch, start in epochs.items() if epoch > last_epoch)
        epoch_end = min(later, default=log.next_offset)
        return last_epoch in epochs and epochs[last_epoch] < end_offset <= epoch_end

    async def batches(
        self, log: PartitionLog, offset: int, end_offset: int
    ) -> AsyncIterator[list[bytes]]:
        """Yields whole batches from `offset` to `end_offset`, about 256 KiB at a time."""
        offset = max(offset, log.log_start_offset)
        while offset < end_offset:
            await self._recovery.until_readable()
            if log.closed_reason is not None:
                raise NotMoveSource(log.closed_reason)
            run = self._store.reader.read(log.key, offset, end_offset, _PIECE)
            if not run.batches:
                return
            yield run.batches
            offset = run.next_offset
            await asyncio.sleep(0)

    async def fence(self, log: PartitionLog, leader_epoch: int) -> LogHead:
        """Fences the log durably against appends under this epoch; returns its final head.

        All earlier appends are durable then, and their replies are complete.
        """
        fenced: list[LogHead] = []

        def write() -> None:
            # A newer epoch may have ended the fence meanwhile.
            if log.is_fenced:
                changes = self._store.new_write()
                log.write_head(changes)
                self._store.write(changes, 0)
                fenced.append(log.head)

        while not fenced:
            refusal = log.closed_reason or log.epoch_refusal(leader_epoch)
            if refusal is not None:
                raise NotMoveSource(refusal)
            log.fence(leader_epoch)
            self._on_fenced()
            await self._committer.flush(log)
            await self._committer.run_exclusive(write, must_sync=True)
        return fenced[0]

    async def rows(self, log: PartitionLog, kinds: Sequence[bytes]) -> AsyncIterator[list[Row]]:
        """Yields the rows of state of these kinds, about 32 KiB at a time."""
        for kind in kinds:
            start, end = range_of(kind, log.key)
            is_all = False
            while not is_all:
                await self._recovery.until_readable()
                if log.closed_reason is not None:
                    raise NotMoveSource(log.closed_reason)
                found, is_all = self._store.reader.some_rows(start, end, _ROWS_BYTES)
                if found:
                    yield [(kind, key[1 + LOG_KEY_BYTES :], value) for key, value in found]
                    start = found[-1][0] + b"\0"
                await asyncio.sleep(0)

    async def producers(self, log: PartitionLog, end_offset: int) -> AsyncIterator[list[Row]]:
        """Yields the rows of producers as they were when the log ended at `end_offset`.

        Later appends may not be durable yet; the target derives their state from the batches.
        """
        async for rows in self.rows(log, [PRODUCERS]):
            before = [(kind, key, row_before(value, end_offset)) for kind, key, value in rows]
            yield [(kind, key, value) for kind, key, value in before if value is not None]


def _nothing() -> None:
    """Does nothing; used as a task that only needs the sync."""
