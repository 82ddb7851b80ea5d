"""The stored state of a log, and the rows that each batch adds: segments, epochs, time index."""

from collections.abc import Sequence
from typing import Final

from partition_svc.log.log_config import LogConfig
from partition_svc.log.segment import Segment
from partition_svc.log.staged_batch import StagedBatch
from partition_svc.store.atomic_write import AtomicWrite, batch_family
from partition_svc.store.keys import LogHead, epoch_key, head_key, pack_head, pack_u64, time_key
from partition_svc.store.log_store import LogStore

#: Bytes between two entries of the time index (Kafka's index.interval.bytes).
INDEX_INTERVAL_BYTES: Final = 4096


class LogState:
    """Counts rows that are in a write under way as stored; a new one is made if the write fails."""

    __slots__ = (
        "_bytes_since_index",
        "_head_key",
        "_key",
        "_segment",
        "_store",
        "leader_epoch",
        "max_timestamp",
        "max_timestamp_offset",
        "next_offset",
        "size_bytes",
    )

    def __init__(self, log_key: bytes, store: LogStore, head: LogHead) -> None:
        self._key = log_key
        self._head_key = head_key(log_key)
        self._store = store
        self.next_offset = head.next_offset
        self.size_bytes = head.size_bytes
        self.max_timestamp = head.max_timestamp
        self.max_timestamp_offset = head.max_timestamp_offset
        #: The largest epoch that a stored batch has.
        self.leader_epoch = head.leader_epoch
        self._segment = Segment()
        self._bytes_since_index = 0

    def head(self, *, log_start_offset: int, fence_epoch: int) -> LogHead:
        return LogHead(
            log_start_offset=log_start_offset,
            next_offset=self.next_offset,
            size_bytes=self.size_bytes,
            max_timestamp=self.max_timestamp,
            max_timestamp_offset=self.max_timestamp_offset,
            leader_epoch=self.leader_epoch,
            fence_epoch=fence_epoch,
        )

    def put_head(self, changes: AtomicWrite, *, log_start_offset: int, fence_epoch: int) -> None:
        """Adds the row of `head` to an atomic write."""
        # Packed by position, in the order of `LogHead`: making one first takes a microsecond more,
        # for each log of each commit.
        row = pack_head(
            log_start_offset,
            self.next_offset,
            self.size_bytes,
            self.max_timestamp,
            self.max_timestamp_offset,
            self.leader_epoch,
            fence_epoch,
        )
        changes.put(self._head_key, row)

    def write(
        self,
        changes: AtomicWrite,
        staged: Sequence[StagedBatch],
        generation: int,
        config: LogConfig,
    ) -> None:
        """Adds staged batches and their rows of state to an atomic write."""
        if config.is_compacted:
            # Each batch may begin a segment.
            for batch in staged:
                self._write_run(changes, (batch,), generation, config)
        else:
            self._write_run(changes, staged, generation, config)

    def _write_run(
        self,
        changes: AtomicWrite,
        staged: Sequence[StagedBatch],
        generation: int,
        config: LogConfig,
    ) -> None:
        """Adds batches of which only the first may begin a segment."""
        first = staged[0]
        if not self._segment.accepts(generation, first, config):
            self._begin_segment(changes, first, generation, config)
        segment = self._segment
        prefix = segment.prefix
        rows, batches = changes.puts(), changes.puts(batch_family(prefix))
        size_bytes, since_index = self.size_bytes, self._bytes_since_index
        for item in staged:
            batch, max_timestamp = item.batch, item.max_timestamp
            assert batch is not None, "markers have nothing to be stored"
            if item.leader_epoch > self.leader_epoch:
                # An epoch is recorded with its first batch; one without batches needs no row.
                self.leader_epoch = item.leader_epoch
                rows += epoch_key(self._key, item.leader_epoch), pack_u64(item.base_offset)
            last_offset = item.next_offset - 1
            batches += prefix + pack_u64(last_offset), batch
            if item.producer_row is not None:
                rows += item.producer_row
            size = len(batch)
            size_bytes += size
            since_index += size
            if max_timestamp > self.max_timestamp:
                self.max_timestamp = max_timestamp
                self.max_timestamp_offset = last_offset
                if since_index >= INDEX_INTERVAL_BYTES:
                    rows += time_key(self._key, max_timestamp, last_offset), b""
                    since_index = 0
        segment.add(changes, size_bytes - self.size_bytes, first.max_timestamp)
        self.size_bytes, self._bytes_since_index = size_bytes, since_index
        self.next_offset = staged[-1].next_offset

    def _begin_segment(
        self, changes: AtomicWrite, first: StagedBatch, generation: int, config: LogConfig
    ) -> None:
        self._segment = self._segment.next(
            changes,
            self._store.reader,
            self._key,
            generation=generation,
            base_offset=first.base_offset,
            bytes_before=self.size_bytes,
            config=config,
        )
