"""Appends, from the call to the future that answers it.

A call has a future of its own. Single batches that are committed together share one: with many
small requests under way, a future for each costs more than storing it.
"""

import asyncio
from asyncio import Future
from collections.abc import Sequence
from time import time

from common.ports.partitions import ACKS_ALL, Append, AppendResult, LogId, OneAppend, Refusal
from common.ports.unavailable import BackendUnavailable
from partition_svc.log.committer import Committer
from partition_svc.log.registry import LogRegistry
from partition_svc.log.staged import Staged, Submission
from partition_svc.store.failures import StorageFailed


class Appending:
    """`must_sync`: whether acks=all is answered only when it is synced."""

    def __init__(self, registry: LogRegistry, committer: Committer, *, must_sync: bool) -> None:
        self.is_draining = False
        self._registry = registry
        self._committer = committer
        self._must_sync = must_sync
        self._loop = asyncio.get_running_loop()
        #: What single batches share now, as long as `_shared_group` gathers.
        self._shared = Submission(self._loop.create_future())
        self._shared_group = -1
        self._shared_must_sync = False

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        """As the port has it. Assigns offsets now; the future is done when all are stored."""
        future: Future[list[AppendResult]] = self._loop.create_future()
        if self.is_draining:
            future.set_exception(BackendUnavailable("the partition service is stopping"))
            return future
        submission = Submission(future)
        submission.remaining = len(appends)
        results, submit = submission.results, self._committer.submit
        must_sync = self._must_sync and acks == ACKS_ALL
        now_ms = int(time() * 1000)
        refused = 0
        for one in appends:
            outcome = self._stage(
                one.log, one.batch, one.leader_epoch, now_ms, has_keys=one.has_keys
            )
            if isinstance(outcome, Staged):
                outcome.must_sync = must_sync
                outcome.submission = submission
                results.append(outcome.result)
                submit(outcome)
            else:
                results.append(outcome)
                refused += 1
        submission.settle(refused)
        return future

    def append_one(
        self, log: LogId, batch: bytes | memoryview, leader_epoch: int, *, acks: int
    ) -> OneAppend:
        """As the port has it. Assigns the offset now."""
        if self.is_draining:
            return OneAppend(self.append([Append(log, batch, leader_epoch)], acks=acks), 0)
        outcome = self._stage(log, batch, leader_epoch, int(time() * 1000))
        if not isinstance(outcome, Staged):
            refused: Future[list[AppendResult]] = self._loop.create_future()
            refused.set_result([outcome])
            return OneAppend(refused, 0)
        must_sync = self._must_sync and acks == ACKS_ALL
        if self._shared_group != self._committer.group or self._shared_must_sync != must_sync:
            self._share_anew(must_sync)
        submission = self._shared
        results = submission.results
        position = len(results)
        submission.remaining += 1
        results.append(outcome.result)
        outcome.must_sync = must_sync
        outcome.submission = submission
        self._committer.submit(outcome)
        return OneAppend(submission.future, position)

    def _share_anew(self, must_sync: bool) -> None:
        self._shared = Submission(self._loop.create_future())
        self._shared_group = self._committer.group
        self._shared_must_sync = must_sync

    def _stage(
        self,
        log_id: LogId,
        batch: bytes | memoryview,
        leader_epoch: int,
        now_ms: int,
        *,
        has_keys: bool = False,
    ) -> Staged | AppendResult:
        if self._committer.failure is not None:
            return AppendResult(refusal=Refusal.STORAGE_ERROR, message=self._committer.failure)
        try:
            log = self._registry.logs.get(log_id) or self._registry.find(log_id)
            if isinstance(log, Refusal):
                return AppendResult(refusal=log)
            return log.stage(batch, leader_epoch, now_ms, has_keys=has_keys)
        except StorageFailed as error:
            return AppendResult(refusal=Refusal.STORAGE_ERROR, message=str(error))
