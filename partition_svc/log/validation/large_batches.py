"""Queues for appends whose batches are too large to examine on the event loop.

A thread examines the records of such a batch. Meanwhile the later appends to the same log queue
behind it, so that each log stages its appends in the order of the calls; other logs do not wait.

The thread may have more work than it can do in time. A batch that it has not begun after `WAIT_S`
is refused, so that gateways, which close a stream whose responses are overdue, do not close theirs.
"""

import asyncio
import logging
import time
from asyncio import Future
from collections import deque
from functools import partial
from typing import Final, NamedTuple, Protocol

from common.ports.partitions import Append, AppendResult, LogId, Refusal
from common.runtime.gil import yield_gil
from partition_svc.log.staged_batch import AppendReply, StagedBatch
from partition_svc.log.validation.record_rules import ValidBatch
from partition_svc.log.validation.record_thread import RecordThread
from partition_svc.log.validation.validation import UnexaminedBatch

log = logging.getLogger(__name__)

#: Seconds that a batch may wait for the thread. Gateways wait for a response several times as long.
WAIT_S: Final = 5.0

#: Queued appends that are staged in one iteration of the event loop.
_STAGED_PER_ITERATION: Final = 16


class Stager(Protocol):
    """Stages appends in their logs; failures are results, never exceptions."""

    def stage(
        self, append: Append, reply: AppendReply
    ) -> StagedBatch | AppendResult | UnexaminedBatch: ...

    def stage_examined(
        self, append: Append, valid: ValidBatch, reply: AppendReply
    ) -> StagedBatch | AppendResult: ...

    def reject_overdue(self, append: Append) -> AppendResult: ...

    def submit(self, staged: StagedBatch) -> None: ...


class _QueuedAppend(NamedTuple):
    append: Append
    reply: AppendReply
    #: None if the batch was queued without being checked.
    unexamined: UnexaminedBatch | None
    #: By `time.monotonic`.
    deadline_s: float


class LargeBatchQueues:
    """One queue for each log that has such a batch. Methods must run on one event loop."""

    def __init__(self, stager: Stager) -> None:
        self._stager = stager
        self._loop = asyncio.get_running_loop()
        self._thread = RecordThread("open")
        #: Appends to these logs must be queued.
        self.queues: dict[LogId, deque[_QueuedAppend]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def enqueue(
        self, append: Append, unexamined: UnexaminedBatch | None, *, must_sync: bool
    ) -> "Future[list[AppendResult]]":
        """Queues an append and returns a future of its result alone."""
        future: Future[list[AppendResult]] = self._loop.create_future()
        reply = AppendReply(future, must_sync=must_sync)
        queued = _QueuedAppend(append, reply, unexamined, time.monotonic() + WAIT_S)
        queue = self.queues.get(append.log)
        if queue is not None:
            queue.append(queued)
            return future
        self.queues[append.log] = queue = deque([queued])
        task = self._loop.create_task(self._process_queue(append.log, queue))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return future

    async def drain(self) -> None:
        """Waits until all queued appends are staged or refused."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    def close(self) -> None:
        """Ends the thread; call it after `drain`, or when no caller needs a result any more."""
        self._thread.close()

    async def _process_queue(self, log_id: LogId, queue: deque[_QueuedAppend]) -> None:
        staged = 0
        while queue:
            # The append stays in the queue meanwhile, so that later ones queue behind it.
            await self._process(queue[0])
            queue.popleft()
            staged += 1
            if staged % _STAGED_PER_ITERATION == 0:
                await asyncio.sleep(0)
        del self.queues[log_id]

    async def _process(self, queued: _QueuedAppend) -> None:
        append, reply = queued.append, queued.reply
        try:
            outcome = await self._outcome(queued)
        except Exception:
            # The appends behind it must not wait forever.
            log.exception("cannot examine a batch for %s", append.log)
            outcome = AppendResult(refusal=Refusal.INVALID_RECORD, message="it cannot be examined")
        if isinstance(outcome, StagedBatch):
            self._stager.submit(outcome)
        else:
            reply.add_final(outcome)
            reply.complete(0)

    async def _outcome(self, queued: _QueuedAppend) -> StagedBatch | AppendResult:
        append, reply, unexamined, deadline_s = queued
        if unexamined is None:
            outcome = self._stager.stage(append, reply)
            if not isinstance(outcome, UnexaminedBatch):
                return outcome
            unexamined = outcome
        valid = await self._thread.run(partial(_examine_in_time, unexamined, deadline_s))
        if valid is None:
            return self._stager.reject_overdue(append)
        if isinstance(valid, AppendResult):
            return valid
        return self._stager.stage_examined(append, valid, reply)


def _examine_in_time(
    unexamined: UnexaminedBatch, deadline_s: float
) -> ValidBatch | AppendResult | None:
    """Examines a batch, in the thread; returns None if the deadline has passed."""
    return unexamined.examine(yield_gil) if time.monotonic() <= deadline_s else None
