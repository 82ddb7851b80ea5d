"""A copy of a log that a move brings here: batches keep their offsets and epochs.

Segments, time index, epochs and head are derived from the batches by the code that also writes
appended ones.
"""

from typing import Final

from common.ports.partitions import LogId, Refusal
from common.records.batch import BatchHeader, has_valid_crc, iter_batches
from common.records.errors import CorruptRecords
from partition_svc.log.log_config import LogConfig
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.producers import row_after
from partition_svc.log.staged_batch import AppendReply, StagedBatch
from partition_svc.log.tail_cache import TailCache
from partition_svc.store.keys import CopyMarker, LogHead, producer_key
from partition_svc.store.log_store import LogStore

CopiedBatch = tuple[bytes, BatchHeader]


class IncomingLog(PartitionLog):
    """A copy that is not served. It belongs to one attempt of one move."""

    __slots__ = ("_rows", "has_producers", "marker", "unsynced_bytes")

    def __init__(
        self,
        log_id: LogId,
        store: LogStore,
        cache: TailCache,
        *,
        marker: CopyMarker,
        config: LogConfig,
    ) -> None:
        super().__init__(
            log_id,
            store,
            cache,
            config=config,
            leader_epoch=marker.leader_epoch,
            producer_expiration_ms=0,
        )
        self.marker = marker
        #: Bytes of batches that are not synced yet.
        self.unsynced_bytes = 0
        #: True once the producers' rows are here: from then on each batch updates one.
        self.has_producers = False
        self._rows: dict[int, bytes] = {}

    def split(self, batches: bytes) -> list[CopiedBatch]:
        """Splits a run of batches into single batches with their headers.

        Raises:
            CorruptRecords: one of them is damaged, or does not follow the one before.
        """
        copied: list[CopiedBatch] = []
        next_offset = self.next_offset
        for position, header in iter_batches(batches):
            batch = batches[position : position + header.size]
            if not has_valid_crc(batch, header):
                raise CorruptRecords(f"the batch at offset {header.base_offset} fails its CRC-32C")
            # A batch may begin before the requested offset, but must not overlap a stored one.
            if header.base_offset < next_offset:
                raise CorruptRecords(f"offset {header.base_offset} came after {next_offset}")
            next_offset = header.last_offset + 1
            copied.append((batch, header))
        return copied

    def stage_copied(self, batch: bytes, header: BatchHeader, now_ms: int) -> StagedBatch:
        """Stages a batch at its own offsets; the result must go to the committer."""
        self.next_offset = header.last_offset + 1
        self.unsynced_bytes += len(batch)
        return StagedBatch(
            log=self,
            batch=batch,
            base_offset=header.base_offset,
            next_offset=self.next_offset,
            max_timestamp=header.max_timestamp,
            leader_epoch=header.leader_epoch,
            producer_row=self._row_after(header, now_ms) if self.has_producers else None,
            reply=_NO_REPLY,
            position=0,
        )

    def on_flushed(self) -> None:
        """Drops rows in memory, since all staged batches are in the store."""
        self._rows.clear()

    def _row_after(self, header: BatchHeader, now_ms: int) -> tuple[bytes, bytes] | None:
        """Returns key and new row of the batch's producer; None if nothing changes."""
        if header.producer_id < 0:
            return None
        key = producer_key(self.key, header.producer_id)
        before = self._rows.get(header.producer_id) or self._store.reader.row(key)
        row = row_after(before, header, now_ms)
        if row is None:
            return None
        self._rows[header.producer_id] = row
        return key, row

    def completed_head(self, head: LogHead) -> LogHead:
        """Returns the head of the complete copy, which is fenced for the epoch of its source.

        `head` is that of the source.

        Raises:
            CorruptRecords: the copy is incomplete.
        """
        is_empty = head.log_start_offset == head.next_offset
        if self.next_offset != head.next_offset and not is_empty:
            raise CorruptRecords(f"the copy ends at {self.next_offset}, not at {head.next_offset}")
        return head._replace(size_bytes=self.head.size_bytes, fence_epoch=self.marker.leader_epoch)


class _NoReply(AppendReply):
    """A reply without a future: the copy is flushed as a whole."""

    __slots__ = ()

    def __init__(self) -> None:
        self.must_sync = False

    def complete(self, count: int = 1) -> None:
        pass

    def reject(self, position: int, refusal: Refusal, message: str) -> None:
        pass


_NO_REPLY: Final = _NoReply()
