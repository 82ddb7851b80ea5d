"""Appends, from the call to the future that answers it.

A call has a future of its own. Single batches that are committed together share one: with many
small requests under way, a future for each costs more than storing it.
"""

import asyncio
import logging
from asyncio import Future
from collections.abc import Sequence
from functools import partial
from time import time_ns
from typing import Final

from common.ports.partitions import ACKS_ALL, Append, AppendResult, LogId, OneAppend, Refusal
from common.ports.unavailable import BackendUnavailable
from partition_svc.log.commit.committer import Committer
from partition_svc.log.registry import LogRegistry
from partition_svc.log.staged_batch import AppendReply, StagedBatch
from partition_svc.log.validation.large_batches import LargeBatchQueues
from partition_svc.log.validation.record_rules import ValidBatch
from partition_svc.log.validation.validation import UnexaminedBatch
from partition_svc.store.failures import StorageFailed

log = logging.getLogger(__name__)

_new_tuple: Final = tuple.__new__
#: The result of an append that is not staged yet; it is replaced before anybody is answered.
_PENDING: Final = AppendResult()


class Appender:
    """`must_sync`: whether acks=all is answered only when it is synced."""

    def __init__(self, registry: LogRegistry, committer: Committer, *, must_sync: bool) -> None:
        self.is_draining = False
        self._registry = registry
        self._committer = committer
        self._must_sync = must_sync
        self._loop = asyncio.get_running_loop()
        self._large_batches = LargeBatchQueues(self)
        self._queues = self._large_batches.queues
        #: What single batches share now, as long as `_shared_group` gathers.
        self._shared = AppendReply(self._loop.create_future())
        self._shared_group = -1

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        """As the port has it. Assigns offsets now, unless a batch is too large to be examined now.

        The future is done when all are stored.
        """
        future: Future[list[AppendResult]] = self._loop.create_future()
        if self.is_draining:
            future.set_exception(BackendUnavailable("the partition service is stopping"))
            return future
        must_sync = self._must_sync and acks == ACKS_ALL
        reply = AppendReply(future, must_sync=must_sync)
        now_ms = time_ns() // 1_000_000
        for one in appends:
            outcome = self._stage(
                one.log,
                one.batch,
                one.leader_epoch,
                now_ms,
                reply,
                by_coordinator=one.by_coordinator,
            )
            if isinstance(outcome, StagedBatch):
                self._committer.submit(outcome)
            elif isinstance(outcome, AppendResult):
                reply.results.append(outcome)
            else:
                position = reply.expect(_PENDING)
                later = self._large_batches.enqueue(one, outcome, must_sync=must_sync)
                later.add_done_callback(partial(_settle, reply, position))
        # Where all are refused nobody else does.
        reply.complete(0)
        return future

    def append_one(
        self, log: LogId, batch: bytes | memoryview, leader_epoch: int, *, acks: int
    ) -> OneAppend:
        """As the port has it. Assigns the offset now, save as `append` does."""
        if self.is_draining:
            return OneAppend(self.append([Append(log, batch, leader_epoch)], acks=acks), 0)
        must_sync = self._must_sync and acks == ACKS_ALL
        reply = self._shared
        if self._shared_group != self._committer.batch_number or reply.must_sync != must_sync:
            reply = self._share_anew(must_sync=must_sync)
        outcome = self._stage(log, batch, leader_epoch, time_ns() // 1_000_000, reply)
        if isinstance(outcome, StagedBatch):
            self._committer.submit(outcome)
            return _new_tuple(OneAppend, (reply.future, outcome.position))
        if isinstance(outcome, AppendResult):
            refused: Future[list[AppendResult]] = self._loop.create_future()
            refused.set_result([outcome])
            return OneAppend(refused, 0)
        append = Append(log, batch, leader_epoch)
        return OneAppend(self._large_batches.enqueue(append, outcome, must_sync=must_sync), 0)

    def stage(
        self, append: Append, reply: AppendReply
    ) -> StagedBatch | AppendResult | UnexaminedBatch:
        """For `LargeBatchQueues`: an append whose turn has come."""
        log_id, batch, epoch = append.log, append.batch, append.leader_epoch
        now_ms = time_ns() // 1_000_000
        outcome = self._stage(
            log_id,
            batch,
            epoch,
            now_ms,
            reply,
            by_coordinator=append.by_coordinator,
            is_due=True,
        )
        assert outcome is not None, "it is the first of its queue"
        return outcome

    def stage_examined(
        self, append: Append, accepted: ValidBatch, reply: AppendReply
    ) -> StagedBatch | AppendResult:
        """For `LargeBatchQueues`: an append whose batch was examined."""
        if self._committer.refusal is not None:
            return self._no_storage(append.log, append.batch)
        now_ms = time_ns() // 1_000_000
        try:
            log = self._registry.find(append.log)
            if isinstance(log, Refusal):
                return AppendResult(refusal=log)
            return log.stage_examined(accepted, append.leader_epoch, now_ms, reply)
        except Exception as error:  # noqa: BLE001 - only this append may suffer from it
            return _failed(append.log, error)

    def reject_overdue(self, append: Append) -> AppendResult:
        """For `LargeBatchQueues`: refuses an append that has waited too long.

        Its producer sends it again; the producer's later batches must not overtake it meanwhile.
        """
        log = self._registry.logs.get(append.log)
        if log is not None:
            log.expect_retry(append.batch)
        message = "too many records wait to be examined"
        return AppendResult(refusal=Refusal.NO_ANSWER, message=message)

    def submit(self, staged: StagedBatch) -> None:
        """For `LargeBatchQueues`."""
        self._committer.submit(staged)

    async def drain(self) -> None:
        """Waits until the batches that are being examined have gone to the committer."""
        await self._large_batches.drain()

    def close(self) -> None:
        self._large_batches.close()

    def _share_anew(self, *, must_sync: bool) -> AppendReply:
        self._shared = AppendReply(self._loop.create_future(), must_sync=must_sync)
        self._shared_group = self._committer.batch_number
        return self._shared

    def _stage(  # noqa: PLR0913 - an append in its parts
        self,
        log_id: LogId,
        batch: bytes | memoryview,
        leader_epoch: int,
        now_ms: int,
        reply: AppendReply,
        *,
        by_coordinator: bool = False,
        is_due: bool = False,
    ) -> StagedBatch | AppendResult | UnexaminedBatch | None:
        """None: it must queue behind a batch that is being examined. Raises nothing."""
        if self._queues and log_id in self._queues and not is_due:
            return None
        if self._committer.refusal is not None and not (
            by_coordinator and self._committer.accepts_coordinators
        ):
            return self._no_storage(log_id, batch)
        try:
            log = self._registry.logs.get(log_id) or self._registry.find(log_id)
            if isinstance(log, Refusal):
                return AppendResult(refusal=log)
            return log.stage(batch, leader_epoch, now_ms, reply, by_coordinator=by_coordinator)
        except Exception as error:  # noqa: BLE001 - only this append may suffer from it
            return _failed(log_id, error)

    def _no_storage(self, log_id: LogId, batch: bytes | memoryview) -> AppendResult:
        if (known := self._registry.logs.get(log_id)) is not None:
            known.expect_retry(batch)
        return AppendResult(refusal=Refusal.STORAGE_ERROR, message=self._committer.refusal)


def _settle(reply: AppendReply, position: int, later: "Future[list[AppendResult]]") -> None:
    (result,) = later.result()
    reply.complete_with(position, result)


def _failed(log_id: LogId, error: Exception) -> AppendResult:
    """Says why an append could not be staged: the disk, or a bug, which the log tells."""
    if isinstance(error, StorageFailed):
        return AppendResult(refusal=Refusal.STORAGE_ERROR, message=str(error))
    log.error("cannot stage a batch for %s", log_id, exc_info=error)
    return AppendResult(refusal=Refusal.INVALID_RECORD, message="the batch cannot be appended")
