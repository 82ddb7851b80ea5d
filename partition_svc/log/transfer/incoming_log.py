"""A log on its way here: batches come as they are stored elsewhere, in order, and keep their place.

Everything that is made of batches, segments, time index, epochs and the head, is made anew by the
same code that writes appended ones.
"""

from typing import Final

from crc32c import crc32c

from common.ports.partitions import LogId, Refusal
from common.records.batch import BatchHeader, iter_batches
from common.records.errors import CorruptRecords
from partition_svc.log.log_config import LogConfig
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.producers import row_after
from partition_svc.log.staged_batch import AppendReply, StagedBatch
from partition_svc.log.tail_cache import TailCache
from partition_svc.store.keys import Incoming, LogHead, producer_key
from partition_svc.store.log_store import LogStore

#: The CRC-32C of a batch covers everything from its attributes on.
_CRC_START: Final = 21

Placed = tuple[bytes, BatchHeader]


class IncomingLog(PartitionLog):
    """A copy that is not served. Belongs to one attempt of one move."""

    __slots__ = ("_rows", "has_producers", "mark", "unsynced_bytes")

    def __init__(
        self,
        log_id: LogId,
        store: LogStore,
        cache: TailCache,
        *,
        mark: Incoming,
        config: LogConfig,
    ) -> None:
        super().__init__(
            log_id,
            store,
            cache,
            config=config,
            leader_epoch=mark.leader_epoch,
            producer_expiration_ms=0,
        )
        self.mark = mark
        #: Of batches that may be lost with the power.
        self.unsynced_bytes = 0
        #: Whether the rows of producers are here: each batch from now on changes its producer's.
        self.has_producers = False
        self._rows: dict[int, bytes] = {}

    def placed(self, batches: bytes) -> list[Placed]:
        """Cuts a run of batches into batches that may be taken one after the other.

        Raises:
            CorruptRecords: one of them is damaged, or not where the log goes on.
        """
        found: list[Placed] = []
        next_offset = self.next_offset
        for position, header in iter_batches(batches):
            batch = batches[position : position + header.size]
            if crc32c(memoryview(batch)[_CRC_START:]) != header.crc:
                raise CorruptRecords(f"the batch at offset {header.base_offset} fails its CRC-32C")
            # A batch may begin before the offset that was asked for, but not where one is already.
            if header.base_offset < next_offset:
                raise CorruptRecords(f"offset {header.base_offset} came after {next_offset}")
            next_offset = header.last_offset + 1
            found.append((batch, header))
        return found

    def take(self, batch: bytes, header: BatchHeader, now_ms: int) -> StagedBatch:
        """Stages a batch at the place that it has. What it returns must go to the committer."""
        self.next_offset = header.last_offset + 1
        self.unsynced_bytes += len(batch)
        return StagedBatch(
            self,
            batch,
            header.base_offset,
            self.next_offset,
            header.max_timestamp,
            header.leader_epoch,
            self._row_after(header, now_ms) if self.has_producers else None,
            _NOBODY,
            0,
        )

    def settled(self) -> None:
        """Everything that was taken is in the store."""
        self._rows.clear()

    def _row_after(self, header: BatchHeader, now_ms: int) -> tuple[bytes, bytes] | None:
        """Key and row of the batch's producer; None where it has none, or the row has the batch."""
        if header.producer_id < 0:
            return None
        key = producer_key(self.key, header.producer_id)
        before = self._rows.get(header.producer_id) or self._store.reader.row(key)
        row = row_after(before, header, now_ms)
        if row is None:
            return None
        self._rows[header.producer_id] = row
        return key, row

    def completed(self, head: LogHead) -> LogHead:
        """The head of the whole log, where `head` is its source's; fenced for its source's epoch.

        Raises:
            CorruptRecords: something is missing.
        """
        is_empty = head.log_start_offset == head.next_offset
        if self.next_offset != head.next_offset and not is_empty:
            raise CorruptRecords(f"the copy ends at {self.next_offset}, not at {head.next_offset}")
        return head._replace(size_bytes=self.head.size_bytes, fence_epoch=self.mark.leader_epoch)


class _Nobody(AppendReply):
    """Nobody waits for one batch: whoever adds them waits for all."""

    __slots__ = ()

    def __init__(self) -> None:
        self.must_sync = False

    def complete(self, count: int = 1) -> None:
        pass

    def reject(self, position: int, refusal: Refusal, message: str) -> None:
        pass


_NOBODY: Final = _Nobody()
