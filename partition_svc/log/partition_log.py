"""One partition log: who may append, at which offset, and what consumers may see.

An append passes through three states: *staged* (has its offsets; nothing is stored), *written*
(in the store, answered to acks=1), *readable* (below the high watermark). `Committer` moves all
logs from one to the next; nothing here waits.
"""

from typing import Final

from common.ports.partitions import NO_LEADER_EPOCH, AppendResult, LogId, Refusal
from common.records.batch import BatchHeader, place
from partition_svc.log.log_config import LogConfig
from partition_svc.log.producers import Duplicate, OutOfSequence, Producers
from partition_svc.log.segment import Segment
from partition_svc.log.staged import Staged
from partition_svc.log.tail_cache import LogTail, TailCache
from partition_svc.log.validation import validate
from partition_svc.log.waiters import FetchWaiter, wake_all
from partition_svc.store.group import Group
from partition_svc.store.keys import (
    LogHead,
    epoch_key,
    head_key,
    log_key,
    pack_u64,
    producer_key,
    time_key,
)
from partition_svc.store.log_store import LogStore

#: At most one time-index entry for so many bytes (Kafka's index.interval.bytes).
INDEX_INTERVAL_BYTES: Final = 4096


class PartitionLog:
    """A log in use. Opening it reads one row; its producers are read when one of them appends."""

    __slots__ = (
        "_bytes_since_index", "_cache", "_expiration_ms", "_fence_epoch", "_max_timestamp",
        "_max_timestamp_offset", "_producers", "_segment", "_size_bytes", "_store", "_written_end",
        "_written_epoch", "config", "gone", "high_watermark", "id", "is_fenced", "key",
        "leader_epoch", "log_start_offset", "next_offset", "tail", "waiters",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - what a log is made of, each named by its caller
        self,
        log_id: LogId,
        store: LogStore,
        cache: TailCache,
        *,
        config: LogConfig,
        leader_epoch: int,
        producer_expiration_ms: int,
    ) -> None:
        self.id = log_id
        self.key = log_key(*log_id)
        self.config = config
        self.leader_epoch = leader_epoch
        #: Fetches that wait for this log to grow.
        self.waiters: set[FetchWaiter] = set()
        #: Why, once the topic is deleted or the partition has another owner.
        self.gone: Refusal | None = None
        self.tail = LogTail()
        self._store = store
        self._cache = cache
        self._expiration_ms = producer_expiration_ms
        self._fence_epoch = -1
        self.reload()

    def reload(self) -> None:
        """Puts the log back to what the store holds: what was staged only has never been."""
        self._cache.forget(self.tail)
        self.tail = LogTail()
        head = self._store.head(self.key)
        self.log_start_offset = head.log_start_offset
        #: The next offset to be given out, and the first that consumers may not see yet.
        self.next_offset = self.high_watermark = self._written_end = head.next_offset
        self._size_bytes = head.size_bytes
        self._max_timestamp = head.max_timestamp
        self._max_timestamp_offset = head.max_timestamp_offset
        self._written_epoch = head.leader_epoch
        # A fence that could not be stored holds all the same: whoever was refused by it waits for
        # the next epoch, and nothing may be taken behind his back until then.
        self._fence_epoch = max(self._fence_epoch, head.fence_epoch)
        self.adopt(self.leader_epoch)
        self._producers: Producers | None = None
        self._segment = Segment()
        self._bytes_since_index = 0

    def adopt(self, leader_epoch: int) -> None:
        """Goes on under a leader epoch that the placement names. Never back to an earlier one."""
        self.leader_epoch = max(leader_epoch, self._written_epoch)
        #: Whether the partition is being handed over: no append is taken under this epoch any more.
        self.is_fenced = self.leader_epoch <= self._fence_epoch

    def fence(self, leader_epoch: int) -> None:
        """Takes no append under this epoch or a lower one. Durable once the head is written."""
        self._fence_epoch = max(self._fence_epoch, leader_epoch)
        self.adopt(self.leader_epoch)

    def put_back(self) -> None:
        """As `reload`, after a failure: what is written but may not survive stays out of sight."""
        high_watermark = self.high_watermark
        self.reload()
        self.high_watermark = min(high_watermark, self.next_offset)

    @property
    def head(self) -> LogHead:
        """What is written of this log so far."""
        return LogHead(
            self.log_start_offset,
            self._written_end,
            self._size_bytes,
            self._max_timestamp,
            self._max_timestamp_offset,
            self._written_epoch,
            self._fence_epoch,
        )

    @property
    def has_producers(self) -> bool:
        """Whether producers are in memory, of which some may have fallen silent."""
        return bool(self._producers)

    @property
    def producers(self) -> Producers:
        if self._producers is None:
            rows = self._store.reader.producers(self.key)
            self._producers = Producers(rows, expiration_ms=self._expiration_ms)
        return self._producers

    def stage(
        self, batch: bytes | memoryview, leader_epoch: int, now_ms: int, *, has_keys: bool = False
    ) -> Staged | AppendResult:
        """Gives a batch its offsets, or says why not. What it returns must go to the committer."""
        if leader_epoch != NO_LEADER_EPOCH and leader_epoch != self.leader_epoch:
            return AppendResult(
                refusal=self.epoch_refusal(leader_epoch), leader_epoch=self.leader_epoch
            )
        if self.is_fenced:
            return AppendResult(refusal=Refusal.MOVING, leader_epoch=self.leader_epoch)
        accepted = validate(batch, self.config, now_ms, has_keys=has_keys)
        if isinstance(accepted, AppendResult):
            return accepted
        batch, header = accepted
        if header.producer_id >= 0:
            verdict = self.producers.check(header, now_ms)
            if verdict is not None:
                return self._not_next(verdict)
        return self._place(batch, header, now_ms)

    def epoch_refusal(self, leader_epoch: int) -> Refusal | None:
        """What is wrong with the leader epoch that a caller believes in (KIP-320)."""
        if leader_epoch in (NO_LEADER_EPOCH, self.leader_epoch):
            return None
        is_old = leader_epoch < self.leader_epoch
        return Refusal.FENCED_LEADER_EPOCH if is_old else Refusal.UNKNOWN_LEADER_EPOCH

    def write(self, group: Group, staged: Staged, generation: int) -> None:
        """Adds a staged batch to a group that is about to be written, with what goes along."""
        batch = staged.batch
        assert batch is not None
        size = len(batch)
        if not self._segment.takes(generation, size, staged.max_timestamp, self.config):
            self._begin_segment(group, staged, generation)
        self._segment.add(group, size, staged.max_timestamp)
        if staged.leader_epoch > self._written_epoch:
            # Not when it is adopted: an epoch without a batch has nothing to be remembered for.
            self._written_epoch = staged.leader_epoch
            group.put(epoch_key(self.key, staged.leader_epoch), pack_u64(staged.base_offset))
        last_offset = staged.next_offset - 1
        group.put_batch(self._segment.prefix + pack_u64(last_offset), batch)
        if staged.producer_row is not None:
            group.put(*staged.producer_row)
        self._written_end = staged.next_offset
        self._size_bytes += size
        self._bytes_since_index += size
        if staged.max_timestamp > self._max_timestamp:
            self._max_timestamp = staged.max_timestamp
            self._max_timestamp_offset = last_offset
            if self._bytes_since_index >= INDEX_INTERVAL_BYTES:
                group.put(time_key(self.key, staged.max_timestamp, last_offset), b"")
                self._bytes_since_index = 0

    def write_head(self, group: Group) -> None:
        """Once for each group that the log is in, after its batches."""
        group.put(head_key(self.key), self.head.pack())

    def shrink(self, group: Group, gone_bytes: int) -> None:
        """Compaction takes so many bytes away, with the group."""
        self._size_bytes -= gone_bytes
        self.write_head(group)

    def on_shrunk(self, end_offset: int) -> None:
        """The store has other batches now before `end_offset` than those in memory."""
        self._cache.forget_before(self.tail, end_offset)

    def on_written(self, staged: Staged) -> None:
        """The batch is in the store: readers may find it as soon as the high watermark allows."""
        assert staged.batch is not None
        self._cache.add(self.tail, staged.base_offset, staged.next_offset - 1, staged.batch)

    def make_readable(self, staged: Staged) -> None:
        """Moves the high watermark past the batch and wakes who waits for it."""
        self.high_watermark = staged.next_offset
        if self.waiters and staged.batch is not None:
            for waiter in tuple(self.waiters):
                waiter.on_readable(self, len(staged.batch))

    def leave(self, why: Refusal) -> None:
        """The partition is deleted, or not ours any more."""
        self.gone = why
        self._cache.forget(self.tail)
        wake_all(tuple(self.waiters))

    def expire_producers(self, group: Group, now_ms: int) -> int:
        """Forgets silent producers, in memory and with `group` in the store; how many."""
        gone = self.producers.expire(now_ms)
        for producer_id in gone:
            group.delete(producer_key(self.key, producer_id))
        return len(gone)

    def _place(self, batch: bytes | memoryview, header: BatchHeader, now_ms: int) -> Staged:
        base_offset = self.next_offset
        self.next_offset = next_offset = base_offset + header.record_count
        stamp_ms = header.max_timestamp if self.config.is_log_append_time else -1
        result = AppendResult(base_offset, stamp_ms, self.log_start_offset)
        placed = place(batch, base_offset, self.leader_epoch)
        staged = Staged(self, placed, base_offset, next_offset, result)
        staged.max_timestamp = header.max_timestamp
        staged.leader_epoch = self.leader_epoch
        if header.producer_id >= 0:
            row = self.producers.remember(header, base_offset, now_ms)
            staged.producer_row = (producer_key(self.key, header.producer_id), row)
        return staged

    def _not_next(self, verdict: Duplicate | OutOfSequence) -> Staged | AppendResult:
        if isinstance(verdict, OutOfSequence):
            return AppendResult(refusal=verdict.refusal, message=verdict.message)
        # Staged as well: the original may not be stored yet, and is answered before its copy.
        result = AppendResult(verdict.base_offset, -1, self.log_start_offset)
        return Staged(self, None, self.next_offset, self.next_offset, result)

    def _begin_segment(self, group: Group, staged: Staged, generation: int) -> None:
        self._segment = self._segment.next(
            group,
            self._store.reader,
            self.key,
            generation=generation,
            base_offset=staged.base_offset,
            bytes_before=self._size_bytes,
            config=self.config,
        )
