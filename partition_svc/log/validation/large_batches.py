"""Appends whose batches are too large to be examined on the event loop.

A thread examines them. Meanwhile the later appends to the same log queue behind, so that each log
takes its appends in the order of the calls; other logs do not wait.

The thread may have more to do than it can do in time. A batch that it has not begun with after
`WAIT_S` is refused, so that no answer is overdue for a gateway, which would give its stream up.
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

#: How long a batch may wait to be examined. Gateways wait for an answer several times as long.
WAIT_S: Final = 5.0

#: Queued appends that are staged in one turn of the event loop.
_AT_ONCE: Final = 16


class Stager(Protocol):
    """Gives appends their places in their logs. Raises nothing."""

    def stage(
        self, append: Append, reply: AppendReply
    ) -> StagedBatch | AppendResult | UnexaminedBatch: ...

    def stage_examined(
        self, append: Append, accepted: ValidBatch, reply: AppendReply
    ) -> StagedBatch | AppendResult: ...

    def reject_overdue(self, append: Append) -> AppendResult: ...

    def submit(self, staged: StagedBatch) -> None: ...


class _Waiting(NamedTuple):
    append: Append
    reply: AppendReply
    unexamined: UnexaminedBatch | None  # None: not looked at yet, or not since the log had a queue
    deadline: float  # by time.monotonic()


class LargeBatchQueues:
    """The queues of all logs. One event loop calls everything here."""

    def __init__(self, stager: Stager) -> None:
        self._stager = stager
        self._loop = asyncio.get_running_loop()
        self._thread = RecordThread("open")
        #: Appends to these logs have to queue.
        self.queues: dict[LogId, deque[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def enqueue(
        self, append: Append, unexamined: UnexaminedBatch | None, *, must_sync: bool
    ) -> "Future[list[AppendResult]]":
        """Queues an append; the future has its result alone."""
        future: Future[list[AppendResult]] = self._loop.create_future()
        reply = AppendReply(future, must_sync=must_sync)
        waiting = _Waiting(append, reply, unexamined, time.monotonic() + WAIT_S)
        queue = self.queues.get(append.log)
        if queue is not None:
            queue.append(waiting)
            return future
        self.queues[append.log] = queue = deque([waiting])
        task = self._loop.create_task(self._work_off(append.log, queue))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return future

    async def drain(self) -> None:
        """Waits until nothing is queued: all is staged, or refused."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    def close(self) -> None:
        """After `settled`, or when nobody waits for an answer any more."""
        self._thread.close()

    async def _work_off(self, log_id: LogId, queue: deque[_Waiting]) -> None:
        staged = 0
        while queue:
            # It stays in the queue while it is worked on, and with it the log stays here.
            await self._work_on(queue[0])
            queue.popleft()
            staged += 1
            if staged % _AT_ONCE == 0:
                await asyncio.sleep(0)
        del self.queues[log_id]

    async def _work_on(self, waiting: _Waiting) -> None:
        append, reply = waiting.append, waiting.reply
        try:
            outcome = await self._outcome(waiting)
        except Exception:
            # What queues behind must not wait for ever.
            log.exception("cannot examine a batch for %s", append.log)
            outcome = AppendResult(refusal=Refusal.INVALID_RECORD, message="it cannot be examined")
        if isinstance(outcome, StagedBatch):
            self._stager.submit(outcome)
        else:
            reply.results.append(outcome)
            reply.complete(0)

    async def _outcome(self, waiting: _Waiting) -> StagedBatch | AppendResult:
        append, reply, unexamined, deadline = waiting
        if unexamined is None:
            outcome = self._stager.stage(append, reply)
            if not isinstance(outcome, UnexaminedBatch):
                return outcome
            unexamined = outcome
        accepted = await self._thread.run(partial(_open_in_time, unexamined, deadline))
        if accepted is None:
            return self._stager.reject_overdue(append)
        if isinstance(accepted, AppendResult):
            return accepted
        return self._stager.stage_examined(append, accepted, reply)


def _open_in_time(unexamined: UnexaminedBatch, deadline: float) -> ValidBatch | AppendResult | None:
    """Examines a batch, in the thread; returns None where it is too late to begin."""
    return unexamined.open(yield_gil) if time.monotonic() <= deadline else None
