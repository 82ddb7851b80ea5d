"""Appends: from the call to the future that holds its results.

Each call of `append` has a future of its own. Calls of `append_one` that go into the same commit
share one: with many small requests in flight, a future and its callback for each request cost more
than storing the record. That is part of the commit grouping that saves 3 % of the CPU time of
single records (docs/performance.md). tests/unit/partition_svc/log/commit/test_append.py compares
the results and the stored bytes of both calls.
"""

import asyncio
import logging
from asyncio import Future
from collections.abc import Sequence
from functools import partial
from time import time_ns
from typing import Final

from common.ports.partitions import ACKS_ALL, Append, AppendResult, LogId, Refusal, SubmittedAppend
from common.ports.unavailable import BackendUnavailable
from partition_svc.log.commit.committer import Committer
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.registry import LogRegistry
from partition_svc.log.staged_batch import AppendReply, StagedBatch
from partition_svc.log.validation.large_batches import LargeBatchQueues
from partition_svc.log.validation.record_rules import ValidBatch
from partition_svc.log.validation.validation import UnexaminedBatch
from partition_svc.store.failures import StorageFailed

log = logging.getLogger(__name__)

#: The result of an append that is not staged yet; it is replaced before the caller gets it.
_PENDING: Final = AppendResult()


class SharedFuture(Future[list[AppendResult]]):
    """A future that several callers wait for: cancelling it has no effect."""

    def cancel(self, msg: object = None) -> bool:
        """Returns False: one caller must not take the results from the others."""
        return False


class Appender:
    """Stages batches in their logs and hands them to the committer."""

    def __init__(self, registry: LogRegistry, committer: Committer, *, must_sync: bool) -> None:
        """With `must_sync`, acks=all is answered only after a sync to disk."""
        self.is_draining = False
        self._registry = registry
        self._committer = committer
        self._must_sync = must_sync
        self._loop = asyncio.get_running_loop()
        self._large_batches = LargeBatchQueues(self)
        self._queues = self._large_batches.queues
        #: The reply of single batches that go into commit number `_shared_batch_number`.
        self._shared_reply = AppendReply(SharedFuture(loop=self._loop))
        self._shared_batch_number = -1

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        """Implements `Partitions.append`.

        Assigns offsets at once, except to batches whose records must be examined in a thread.
        """
        future: Future[list[AppendResult]] = self._loop.create_future()
        if self.is_draining:
            future.set_exception(BackendUnavailable("the partition service is stopping"))
            return future
        must_sync = self._must_sync and acks == ACKS_ALL
        reply = AppendReply(future, must_sync=must_sync)
        now_ms = time_ns() // 1_000_000
        for append in appends:
            outcome = self._stage(
                append.log,
                append.batch,
                append.leader_epoch,
                now_ms,
                reply,
                by_coordinator=append.by_coordinator,
            )
            if isinstance(outcome, StagedBatch):
                self._committer.submit(outcome)
            elif isinstance(outcome, AppendResult):
                reply.add_final(outcome)
            else:
                position = reply.expect(_PENDING)
                examined = self._large_batches.enqueue(append, outcome, must_sync=must_sync)
                examined.add_done_callback(partial(_complete, reply, position))
        # If all were refused, nothing else completes the reply.
        reply.complete(0)
        return future

    def append_one(
        self, log: LogId, batch: bytes | memoryview, leader_epoch: int, *, acks: int
    ) -> SubmittedAppend:
        """Implements `Partitions.append_one`; assigns the offset as `append` does."""
        if self.is_draining:
            return SubmittedAppend(self.append([Append(log, batch, leader_epoch)], acks=acks), 0)
        must_sync = self._must_sync and acks == ACKS_ALL
        reply = self._shared_reply
        if (
            self._shared_batch_number != self._committer.batch_number
            or reply.must_sync != must_sync
        ):
            reply = self._share_reply(must_sync=must_sync)
        outcome = self._stage(log, batch, leader_epoch, time_ns() // 1_000_000, reply)
        if isinstance(outcome, StagedBatch):
            self._committer.submit(outcome)
            return SubmittedAppend(reply.future, outcome.position)
        if isinstance(outcome, AppendResult):
            refused: Future[list[AppendResult]] = self._loop.create_future()
            refused.set_result([outcome])
            return SubmittedAppend(refused, 0)
        append = Append(log, batch, leader_epoch)
        return SubmittedAppend(self._large_batches.enqueue(append, outcome, must_sync=must_sync), 0)

    def stage(
        self, append: Append, reply: AppendReply
    ) -> StagedBatch | AppendResult | UnexaminedBatch:
        """Implements `Stager.stage`: stages the first append of a queue."""
        outcome = self._stage(
            append.log,
            append.batch,
            append.leader_epoch,
            time_ns() // 1_000_000,
            reply,
            by_coordinator=append.by_coordinator,
            is_first=True,
        )
        assert outcome is not None, "it is the first of its queue"
        return outcome

    def stage_examined(
        self, append: Append, valid: ValidBatch, reply: AppendReply
    ) -> StagedBatch | AppendResult:
        """Implements `Stager.stage_examined`."""
        if self._committer.refusal is not None:
            return self._reject_for_storage(append.log, append.batch)
        now_ms = time_ns() // 1_000_000
        try:
            log = self._registry.find(append.log)
            if isinstance(log, Refusal):
                return AppendResult(refusal=log)
            return log.stage_examined(valid, append.leader_epoch, now_ms, reply)
        except Exception as error:  # noqa: BLE001 - only this append may fail for it
            return _result_of_error(append.log, error)

    def reject_overdue(self, append: Append) -> AppendResult:
        """Implements `Stager.reject_overdue`: refuses an append that has waited too long.

        Its producer sends it again, and the producer's later batches must not overtake it.
        """
        log = self._registry.logs.get(append.log)
        if log is not None:
            log.expect_retry(append.batch)
        message = "too many records wait to be examined"
        return AppendResult(refusal=Refusal.NO_RESPONSE, message=message)

    def submit(self, staged: StagedBatch) -> None:
        """Implements `Stager.submit`."""
        self._committer.submit(staged)

    async def drain(self) -> None:
        """Waits until the batches that are being examined have gone to the committer."""
        await self._large_batches.drain()

    def close(self) -> None:
        self._large_batches.close()

    def _share_reply(self, *, must_sync: bool) -> AppendReply:
        """Makes the reply that single batches of the next commit share."""
        self._shared_reply = AppendReply(SharedFuture(loop=self._loop), must_sync=must_sync)
        self._shared_batch_number = self._committer.batch_number
        return self._shared_reply

    def _stage(  # noqa: PLR0913 - the fields of an append
        self,
        log_id: LogId,
        batch: bytes | memoryview,
        leader_epoch: int,
        now_ms: int,
        reply: AppendReply,
        *,
        by_coordinator: bool = False,
        is_first: bool = False,
    ) -> StagedBatch | AppendResult | UnexaminedBatch | None:
        """Stages a batch; returns None if it must queue behind one that is being examined.

        Errors become results. `is_first` is for the first append of a queue, which need not wait.
        """
        if self._queues and log_id in self._queues and not is_first:
            return None
        if self._committer.refusal is not None and not (
            by_coordinator and self._committer.accepts_coordinators
        ):
            return self._reject_for_storage(log_id, batch)
        try:
            log = self._registry.logs.get(log_id) or self._registry.find(log_id)
            if not isinstance(log, PartitionLog):
                return AppendResult(refusal=log)
            return log.stage(batch, leader_epoch, now_ms, reply, by_coordinator=by_coordinator)
        except Exception as error:  # noqa: BLE001 - only this append may fail for it
            return _result_of_error(log_id, error)

    def _reject_for_storage(self, log_id: LogId, batch: bytes | memoryview) -> AppendResult:
        if (log := self._registry.logs.get(log_id)) is not None:
            log.expect_retry(batch)
        return AppendResult(refusal=Refusal.KAFKA_STORAGE_ERROR, message=self._committer.refusal)


def _complete(reply: AppendReply, position: int, examined: "Future[list[AppendResult]]") -> None:
    (result,) = examined.result()
    reply.complete_with(position, result)


def _result_of_error(log_id: LogId, error: Exception) -> AppendResult:
    """Returns the refusal for an error while staging; logs it if it is a bug, not the disk."""
    if isinstance(error, StorageFailed):
        return AppendResult(refusal=Refusal.KAFKA_STORAGE_ERROR, message=str(error))
    log.error("cannot stage a batch for %s", log_id, exc_info=error)
    return AppendResult(refusal=Refusal.INVALID_RECORD, message="the batch cannot be appended")
