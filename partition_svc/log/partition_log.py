"""One partition log: who may append, at which offset, and what consumers may see.

An append passes through three states: *staged* (has its offsets; nothing is stored), *written*
(in the store, answered to acks=1), *readable* (below the high watermark). `Committer` moves all
logs from one to the next; nothing here waits.
"""

from collections.abc import Sequence
from time import monotonic
from typing import Final

from common.ports.partitions import NO_LEADER_EPOCH, AppendResult, LogId, Refusal, stored
from common.records.batch import BatchHeader, HeaderFields, place
from common.records.sequence_gaps import ProducerBatch, SequenceGaps, producer_batch
from partition_svc.log.fetch_waiter import FetchWaiter, wake_all
from partition_svc.log.log_config import LogConfig
from partition_svc.log.log_state import LogState
from partition_svc.log.producers import SEQUENCE_MASK, Duplicate, OutOfSequence, Producers
from partition_svc.log.staged_batch import AppendReply, StagedBatch
from partition_svc.log.tail_cache import LogTail, TailCache
from partition_svc.log.validation.record_rules import ValidBatch
from partition_svc.log.validation.validation import UnexaminedBatch, validate, validate_usual
from partition_svc.store.atomic_write import Group
from partition_svc.store.keys import LogHead, log_key, producer_key
from partition_svc.store.log_store import LogStore

_new_tuple: Final = tuple.__new__
_AFTER_FAILED: Final = AppendResult(
    refusal=Refusal.STORAGE_ERROR, message="an earlier batch of the producer is to come first"
)


class PartitionLog:
    """A log in use. Opening it reads one row; a producer is read when it appends."""

    __slots__ = (
        "_cache",
        "_expiration_ms",
        "_fence_epoch",
        "_gaps",
        "_producers",
        "_store",
        "_written",
        "closed_reason",
        "config",
        "high_watermark",
        "id",
        "is_fenced",
        "key",
        "leader_epoch",
        "log_start_offset",
        "next_offset",
        "tail",
        "waiters",
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
        self.closed_reason: Refusal | None = None
        self.tail = LogTail()
        self._store = store
        self._cache = cache
        self._expiration_ms = producer_expiration_ms
        self._fence_epoch = -1
        self._gaps: SequenceGaps | None = None
        self.reload()

    def reload(self) -> None:
        """Puts the log back to what the store holds: what was staged only has never been."""
        self._cache.forget(self.tail)
        self.tail = LogTail()
        head = self._store.head(self.key)
        self.log_start_offset = head.log_start_offset
        #: The next offset to be given out, and the first that consumers may not see yet.
        self.next_offset = self.high_watermark = head.next_offset
        self._written = LogState(self.key, self._store, head)
        # A fence that could not be stored holds all the same: whoever was refused by it waits for
        # the next epoch, and nothing may be taken behind his back until then.
        self._fence_epoch = max(self._fence_epoch, head.fence_epoch)
        self.set_leader_epoch(self.leader_epoch)
        self._producers: Producers | None = None

    def set_leader_epoch(self, leader_epoch: int) -> None:
        """Goes on under a leader epoch that the placement names. Never back to an earlier one."""
        self.leader_epoch = max(leader_epoch, self._written.leader_epoch)
        #: Whether the partition is being handed over: no append is taken under this epoch any more.
        self.is_fenced = self.leader_epoch <= self._fence_epoch

    def fence(self, leader_epoch: int) -> None:
        """Takes no append under this epoch or a lower one. Durable once the head is written."""
        self._fence_epoch = max(self._fence_epoch, leader_epoch)
        self.set_leader_epoch(self.leader_epoch)

    def rollback(self) -> None:
        """As `reload`, after a failure: what is written but may not survive stays out of sight."""
        high_watermark = self.high_watermark
        self.reload()
        self.high_watermark = min(high_watermark, self.next_offset)

    def expect_retry(self, batch: bytes | memoryview) -> None:
        """Notes a batch that is to come again: the producer's later ones must not overtake it."""
        failed = producer_batch(batch)
        if failed is not None:
            self._gaps = self._gaps or SequenceGaps()
            self._gaps.open(failed, monotonic())

    @property
    def head(self) -> LogHead:
        """What is written of this log so far."""
        return self._written.head(self.log_start_offset, self._fence_epoch)

    @property
    def producers(self) -> Producers:
        if self._producers is None:
            self._producers = Producers(
                self._producer_row,
                expiration_ms=self._expiration_ms,
                written_offset=lambda: self._written.next_offset,
            )
        return self._producers

    @property
    def loaded_producers(self) -> Producers | None:
        """None where no idempotent producer has appended since the log was opened."""
        return self._producers

    def _producer_row(self, producer_id: int) -> bytes | None:
        return self._store.reader.row(producer_key(self.key, producer_id))

    def stage(
        self,
        batch: bytes | memoryview,
        leader_epoch: int,
        now_ms: int,
        reply: AppendReply,
        *,
        by_coordinator: bool = False,
    ) -> StagedBatch | AppendResult | UnexaminedBatch:
        """Gives a batch its offsets, or says why not. Where it raises, nothing has changed.

        What is staged is expected by `reply`, and must go to the committer. What is unexamined
        must be opened, and goes to `stage_examined` then, before any later batch of the log.
        """
        if self.is_fenced or leader_epoch not in (NO_LEADER_EPOCH, self.leader_epoch):
            return self._not_now(leader_epoch)
        fields = validate_usual(batch, self.config, now_ms)
        if fields is not None:
            return self._take(batch, fields, now_ms, reply)
        if self.config.is_internal and not by_coordinator:
            return AppendResult(refusal=Refusal.INVALID_TOPIC)
        accepted = validate(batch, self.config, now_ms, has_keys=by_coordinator)
        if isinstance(accepted, AppendResult | UnexaminedBatch):
            return accepted
        return self._take(*accepted, now_ms, reply)

    def stage_examined(
        self, accepted: ValidBatch, leader_epoch: int, now_ms: int, reply: AppendReply
    ) -> StagedBatch | AppendResult:
        """As `stage`, for a batch that was examined elsewhere."""
        if self.is_fenced or leader_epoch not in (NO_LEADER_EPOCH, self.leader_epoch):
            return self._not_now(leader_epoch)
        return self._take(*accepted, now_ms, reply)

    def _not_now(self, leader_epoch: int) -> AppendResult:
        refusal = self.epoch_refusal(leader_epoch) or Refusal.MOVING
        return AppendResult(refusal=refusal, leader_epoch=self.leader_epoch)

    def epoch_refusal(self, leader_epoch: int) -> Refusal | None:
        """What is wrong with the leader epoch that a caller believes in (KIP-320)."""
        if leader_epoch in (NO_LEADER_EPOCH, self.leader_epoch):
            return None
        is_old = leader_epoch < self.leader_epoch
        return Refusal.FENCED_LEADER_EPOCH if is_old else Refusal.UNKNOWN_LEADER_EPOCH

    def write(self, group: Group, staged: Sequence[StagedBatch], generation: int) -> None:
        """Adds staged batches to a group that is about to be written, with what goes along."""
        self._written.write(group, staged, generation, self.config)
        self.write_head(group)

    def write_head(self, group: Group) -> None:
        """What is written of the log so far."""
        self._written.put_head(group, self.log_start_offset, self._fence_epoch)

    def subtract_bytes(self, group: Group, gone_bytes: int) -> None:
        """Compaction takes so many bytes away, with the group."""
        self._written.size_bytes -= gone_bytes
        self.write_head(group)

    def on_compacted(self, end_offset: int) -> None:
        """The store has other batches now before `end_offset` than those in memory."""
        self._cache.forget_before(self.tail, end_offset)

    def on_written(self, staged: Sequence[StagedBatch]) -> None:
        """Batches are in the store: readers find them as soon as the high watermark allows."""
        run = [one.batch for one in staged if one.batch is not None]
        self._cache.add(self.tail, staged[0].base_offset, staged[-1].next_offset - 1, run)

    def make_readable(self, staged: Sequence[StagedBatch]) -> None:
        """Moves the high watermark past batches and wakes who waits for it."""
        before = self.high_watermark
        self.high_watermark = staged[-1].next_offset
        if self.waiters:
            batches = [one.batch for one in staged if one.next_offset > before]
            size = sum(len(one) for one in batches if one is not None)
            for waiter in tuple(self.waiters):
                waiter.on_readable(self, size)

    def close(self, reason: Refusal) -> None:
        """The partition is deleted, or not ours any more."""
        self.closed_reason = reason
        self._cache.forget(self.tail)
        wake_all(self)

    def stage_marker(self, result: AppendResult, reply: AppendReply) -> StagedBatch:
        """Nothing to be stored: its result is final when all that was staged before it is."""
        end = self.next_offset
        return StagedBatch(self, None, end, end, -1, -1, None, reply, reply.expect(result))

    def _take(
        self, batch: bytes | memoryview, fields: HeaderFields, now_ms: int, reply: AppendReply
    ) -> StagedBatch | AppendResult:
        """A batch that is valid gets its place, unless its sequence is not the next."""
        _, _, _, _, _, _, _, _, max_timestamp, producer_id, _, _, record_count = fields
        base_offset, epoch = self.next_offset, self.leader_epoch
        placed = place(batch, base_offset, epoch)
        producer_row = None
        if producer_id >= 0:
            header = BatchHeader(*fields)
            if self._gaps and not self._gaps.admit(_named(header), monotonic()):
                return _AFTER_FAILED
            verdict = self.producers.check(header, now_ms)
            if verdict is not None:
                return self._not_next(verdict, reply)
            row = self.producers.remember(header, base_offset, now_ms)
            producer_row = producer_key(self.key, producer_id), row
        self.next_offset = next_offset = base_offset + record_count
        stamp_ms = max_timestamp if self.config.is_log_append_time else -1
        position = reply.expect(stored(base_offset, stamp_ms, self.log_start_offset))
        return _new_tuple(
            StagedBatch,
            (
                self, placed, base_offset, next_offset, max_timestamp, epoch, producer_row,
                reply, position,
            ),
        )  # fmt: skip

    def _not_next(
        self, verdict: Duplicate | OutOfSequence, reply: AppendReply
    ) -> StagedBatch | AppendResult:
        if isinstance(verdict, OutOfSequence):
            return AppendResult(refusal=verdict.refusal, message=verdict.message)
        # StagedBatch as well: the original may not be stored yet, and is answered before its copy.
        result = stored(verdict.base_offset, -1, self.log_start_offset)
        return self.stage_marker(result, reply)


def _named(header: BatchHeader) -> ProducerBatch:
    next_sequence = (header.last_sequence + 1) & SEQUENCE_MASK
    return ProducerBatch(
        header.producer_id, header.producer_epoch, header.base_sequence, next_sequence
    )
