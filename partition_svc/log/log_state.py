"""What the store holds of a log, and what is written with each batch: segments, epochs, times."""

from collections.abc import Sequence
from typing import Final

from partition_svc.log.log_config import LogConfig
from partition_svc.log.segment import Segment
from partition_svc.log.staged_batch import StagedBatch
from partition_svc.store.atomic_write import Group
from partition_svc.store.keys import LogHead, epoch_key, head_key, pack_head, pack_u64, time_key
from partition_svc.store.log_store import LogStore

#: At most one time-index entry for so many bytes (Kafka's index.interval.bytes).
INDEX_INTERVAL_BYTES: Final = 4096


class LogState:
    """Ahead of the store by a group that is about to be written, and made anew where that fails."""

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
        #: The largest that a batch was written under.
        self.leader_epoch = head.leader_epoch
        self._segment = Segment()
        self._bytes_since_index = 0

    def head(self, log_start_offset: int, fence_epoch: int) -> LogHead:
        return LogHead(*self._head_fields(log_start_offset, fence_epoch))

    def put_head(self, group: Group, log_start_offset: int, fence_epoch: int) -> None:
        """As `head` says."""
        group.put(self._head_key, pack_head(*self._head_fields(log_start_offset, fence_epoch)))

    def _head_fields(
        self, log_start_offset: int, fence_epoch: int
    ) -> tuple[int, int, int, int, int, int, int]:
        return (
            log_start_offset,
            self.next_offset,
            self.size_bytes,
            self.max_timestamp,
            self.max_timestamp_offset,
            self.leader_epoch,
            fence_epoch,
        )

    def write(
        self, group: Group, staged: Sequence[StagedBatch], generation: int, config: LogConfig
    ) -> None:
        """Adds staged batches to a group that is about to be written, with what goes along."""
        if config.is_compacted:
            # Any of them may begin a segment.
            for one in staged:
                self._write_run(group, (one,), generation, config)
        else:
            self._write_run(group, staged, generation, config)

    def _write_run(
        self, group: Group, staged: Sequence[StagedBatch], generation: int, config: LogConfig
    ) -> None:
        """Batches of which only the first may begin a segment."""
        first = staged[0]
        if not self._segment.takes(generation, first, config):
            self._begin_segment(group, first, generation, config)
        segment = self._segment
        put, prefix = group.put, segment.prefix
        family = group.family(prefix)
        size_before = self.size_bytes
        for one in staged:
            _, batch, base_offset, next_offset, max_timestamp, epoch, producer_row, _, _ = one
            assert batch is not None
            if epoch > self.leader_epoch:
                # Not when it is promote: an epoch without a batch has nothing to be remembered for.
                self.leader_epoch = epoch
                put(epoch_key(self._key, epoch), pack_u64(base_offset))
            last_offset = next_offset - 1
            put(prefix + pack_u64(last_offset), batch, family)
            if producer_row is not None:
                put(*producer_row)
            size = len(batch)
            self.size_bytes += size
            self._bytes_since_index += size
            if max_timestamp > self.max_timestamp:
                self.max_timestamp = max_timestamp
                self.max_timestamp_offset = last_offset
                if self._bytes_since_index >= INDEX_INTERVAL_BYTES:
                    put(time_key(self._key, max_timestamp, last_offset), b"")
                    self._bytes_since_index = 0
        self.next_offset = staged[-1].next_offset
        segment.add(group, self.size_bytes - size_before, first.max_timestamp)

    def _begin_segment(
        self, group: Group, first: StagedBatch, generation: int, config: LogConfig
    ) -> None:
        self._segment = self._segment.next(
            group,
            self._store.reader,
            self._key,
            generation=generation,
            base_offset=first.base_offset,
            bytes_before=self.size_bytes,
            config=config,
        )
