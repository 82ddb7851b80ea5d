"""Appends, from the call to the future that answers it.

A call has a future of its own. Single batches that are committed together share one: with many
small requests under way, a future for each costs more than storing it.
"""

import asyncio
from asyncio import Future
from collections.abc import Sequence
from time import time_ns
from typing import Final

from common.ports.partitions import ACKS_ALL, Append, AppendResult, LogId, OneAppend, Refusal
from common.ports.unavailable import BackendUnavailable
from partition_svc.log.committer import Committer
from partition_svc.log.registry import LogRegistry
from partition_svc.log.staged import Staged, Submission
from partition_svc.store.failures import StorageFailed

_new_tuple: Final = tuple.__new__


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

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        """As the port has it. Assigns offsets now; the future is done when all are stored."""
        future: Future[list[AppendResult]] = self._loop.create_future()
        if self.is_draining:
            future.set_exception(BackendUnavailable("the partition service is stopping"))
            return future
        submission = Submission(future, must_sync=self._must_sync and acks == ACKS_ALL)
        now_ms = time_ns() // 1_000_000
        for one in appends:
            outcome = self._stage(
                one.log,
                one.batch,
                one.leader_epoch,
                now_ms,
                submission,
                by_coordinator=one.by_coordinator,
            )
            if isinstance(outcome, Staged):
                self._committer.submit(outcome)
            else:
                submission.results.append(outcome)
        # Where all are refused nobody else does.
        submission.settle(0)
        return future

    def append_one(
        self, log: LogId, batch: bytes | memoryview, leader_epoch: int, *, acks: int
    ) -> OneAppend:
        """As the port has it. Assigns the offset now."""
        if self.is_draining:
            return OneAppend(self.append([Append(log, batch, leader_epoch)], acks=acks), 0)
        must_sync = self._must_sync and acks == ACKS_ALL
        submission = self._shared
        if self._shared_group != self._committer.group or submission.must_sync != must_sync:
            submission = self._share_anew(must_sync=must_sync)
        outcome = self._stage(log, batch, leader_epoch, time_ns() // 1_000_000, submission)
        if not isinstance(outcome, Staged):
            refused: Future[list[AppendResult]] = self._loop.create_future()
            refused.set_result([outcome])
            return OneAppend(refused, 0)
        self._committer.submit(outcome)
        return _new_tuple(OneAppend, (submission.future, outcome.position))

    def _share_anew(self, *, must_sync: bool) -> Submission:
        self._shared = Submission(self._loop.create_future(), must_sync=must_sync)
        self._shared_group = self._committer.group
        return self._shared

    def _stage(  # noqa: PLR0913 - an append in its parts
        self,
        log_id: LogId,
        batch: bytes | memoryview,
        leader_epoch: int,
        now_ms: int,
        submission: Submission,
        *,
        by_coordinator: bool = False,
    ) -> Staged | AppendResult:
        if self._committer.failure is not None:
            if (known := self._registry.logs.get(log_id)) is not None:
                known.note_failed(batch, now_ms)
            return AppendResult(refusal=Refusal.STORAGE_ERROR, message=self._committer.failure)
        try:
            log = self._registry.logs.get(log_id) or self._registry.find(log_id)
            if isinstance(log, Refusal):
                return AppendResult(refusal=log)
            return log.stage(batch, leader_epoch, now_ms, submission, by_coordinator=by_coordinator)
        except StorageFailed as error:
            return AppendResult(refusal=Refusal.STORAGE_ERROR, message=str(error))
