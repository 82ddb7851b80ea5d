"""Group commit: all staged batches become one write and at most one sync.

A loop without a timer: batches that are staged during one commit form the next.

1. One unsynced write, on the event loop, because it is short. While the kernel holds writers back
   for a busy disk it is in the thread.
2. acks=1 is answered, and batches that need no sync become readable.
3. If the commit has acks=all: one sync in a thread, which releases the GIL. Then acks=all is
   answered, and its batches become readable. The next commit is written after the sync; appends
   gather meanwhile, which makes commits large without a linger time.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from common.ports.partitions import AppendResult, Refusal
from partition_svc.log.commit.commit_batch import CommitBatch
from partition_svc.log.commit.disk_thread import DiskThread
from partition_svc.log.staged_batch import AppendReply, CommittableLog, StagedBatch
from partition_svc.store.failures import StorageFailed
from partition_svc.store.log_store import LogStore

#: One write of 4 MiB keeps the event loop busy for about 4 ms.
_COMMIT_BYTES_MAX: Final = 4 << 20
_FLUSH_POLL_S: Final = 0.005


class Committer:
    """Stores staged batches, and runs tasks that need the store to themselves.

    `failure` is the error that ended the last commit, while nothing can be stored. `refusal` is the
    message for refused appends: that error, or that the disk is full.
    """

    def __init__(self, store: LogStore, disk: DiskThread) -> None:
        self.failure: str | None = None
        self.refusal: str | None = None
        #: Set while the disk is full: appends are refused, exclusive tasks run.
        self.is_full = asyncio.Event()
        #: The number of the next commit. A batch that is submitted now is in it or in a later one.
        self.batch_number = 0
        self._store = store
        self._disk = disk
        self._queue: deque[StagedBatch] = deque()
        self._tasks: deque[_ExclusiveTask] = deque()
        self._committing: CommitBatch | None = None
        self._loop = asyncio.get_running_loop()
        self._wake_up: asyncio.Future[None] | None = None
        #: True if `_commit_idle` is about to be called.
        self._is_called = False
        self._idle: asyncio.Future[None] | None = None

    def submit(self, staged: StagedBatch) -> None:
        """Queues a staged batch; its reply is completed when it is stored, or rejected."""
        self._queue.append(staged)
        if self._wake_up is not None and not self._is_called:
            self._is_called = True
            self._loop.call_soon(self._commit_idle)

    async def flush(self, log: CommittableLog) -> None:
        """Waits until all batches of a log that are staged now are stored.

        Raises:
            StorageFailed: they are not; the log is rolled back to the state of the store.
        """
        if self.failure is not None:
            raise StorageFailed(self.failure)
        reply = AppendReply(asyncio.get_running_loop().create_future())
        self.submit(log.stage_marker(AppendResult(), reply))
        (result,) = await reply.future
        if result.refusal is not None:
            raise StorageFailed(result.message)

    def run_exclusive(
        self, task: Callable[[], None], *, must_sync: bool = False, in_thread: bool = False
    ) -> "asyncio.Future[None]":
        """Runs `task`, which may write to the store, between two commits; returns its future.

        A long task should run in the disk thread (`in_thread`); appends wait for it all the same.
        With `must_sync` the future is done when all writes before the task, and its own, are
        durable.

        An error of the store fails the future with `StorageFailed` and ends the committer; any
        other exception of the task only fails the future. A task whose future is cancelled before
        it starts does not run. One that has started cannot be stopped, and its caller may be
        cancelled before it resumes: so a task must itself change the state in memory that belongs
        to its write.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.failure is not None:
            done.set_exception(StorageFailed(self.failure))
        else:
            self._tasks.append(_ExclusiveTask(task, done, must_sync, in_thread))
            self._wake()
        return done

    async def commit_until_failure(self) -> None:
        """Commits until a write fails; refuses what is queued, then raises `StorageFailed`."""
        try:
            while True:
                if self._queue or self._tasks:
                    # Lets more batches join the commit.
                    await asyncio.sleep(0)
                else:
                    await self._wait_for_work()
                if self._committing is None:
                    await self._commit_or_wait_for_disk()
                if self._committing is not None:
                    await self._sync_batch(self._committing)
                # One task at a time, so that appends wait for one at most.
                if self._tasks:
                    await self._run_task(self._tasks.popleft())
                if self._store.journaled.needs_space:
                    await self._disk.run(self._store.journaled.extend)
                if self._store.is_generation_full:
                    await self._roll()
        except StorageFailed as error:
            self.failure = self.refusal = str(error)
            self.is_full.clear()
            self._refuse_all()
            raise

    @property
    def accepts_coordinators(self) -> bool:
        """True if coordinators may append although clients may not, using the disk reserve.

        Coordinators write little, and consumer groups should keep working on a full disk.
        """
        if self.failure is not None:
            return False
        try:
            return self._store.has_room_to_clean
        except StorageFailed:
            return False

    def resume(self) -> None:
        """Accepts appends again, after the store was recovered or the disk has room."""
        self.failure = self.refusal = None
        self.is_full.clear()

    async def drain(self) -> None:
        """Waits until nothing is queued or being committed."""
        if self._wake_up is None and self.failure is None:
            if self._idle is None or self._idle.done():
                self._idle = asyncio.get_running_loop().create_future()
            await self._idle

    async def _wait_for_work(self) -> None:
        self._notify_idle()
        wake_up = self._wake_up = asyncio.get_running_loop().create_future()
        await wake_up

    def _commit_idle(self) -> None:
        """Commits while `commit_until_failure` waits for work, and resumes it if more is to do.

        Most commits of single requests need no more than the write: this saves them the task.
        """
        self._is_called = False
        wake_up = self._wake_up
        if wake_up is None or wake_up.done():
            return
        if not self._tasks and not self._store.journaled.is_slow:
            try:
                self._commit_queue()
            except Exception as error:  # noqa: BLE001 - it ends `commit_until_failure`
                self._wake_up = None
                wake_up.set_exception(error)
                return
        is_done = self._committing is None and not self._queue and not self._tasks
        if not is_done or self._store.must_pause:
            self._wake()

    async def _commit_or_wait_for_disk(self) -> None:
        """Writes in the disk thread while the kernel holds writers back, which may take 0.1 s."""
        if not self._store.journaled.is_slow:
            self._commit_queue()
            return
        self._refuse_if_full()
        batch = self._take_batch()
        await batch.write_in_thread(self._store, self._disk)
        self._on_written(batch)

    def _commit_queue(self) -> None:
        """Writes queued batches; `_committing` is set if they must be synced."""
        self._refuse_if_full()
        batch = self._take_batch()
        batch.write(self._store)
        self._on_written(batch)

    def _take_batch(self) -> CommitBatch:
        self.batch_number += 1
        batch = self._committing = CommitBatch(self._queue, _COMMIT_BYTES_MAX)
        return batch

    def _on_written(self, batch: CommitBatch) -> None:
        batch.acknowledge_written()
        if batch.is_acknowledged:
            self._committing = None

    def _refuse_if_full(self) -> None:
        # While the disk is full only coordinators append.
        if self._queue and not self.is_full.is_set() and self._has_no_room():
            self._refuse_for_full_disk()

    def _notify_idle(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _wake(self) -> None:
        wake_up, self._wake_up = self._wake_up, None
        if wake_up is not None and not wake_up.done():
            wake_up.set_result(None)

    async def _sync_batch(self, batch: CommitBatch) -> None:
        await self._disk.run(self._store.sync)
        batch.acknowledge_synced()
        self._committing = None

    async def _run_task(self, task: "_ExclusiveTask") -> None:
        if task.done.cancelled():
            return
        try:
            if task.in_thread:
                await self._disk.run(task.work)
            else:
                task.work()
            if task.must_sync:
                await self._disk.run(self._store.sync)
        except StorageFailed as error:
            task.fail(error)
            raise
        except Exception as error:  # noqa: BLE001 - a bug of the caller, which gets the exception
            task.fail(error)
            return
        if not task.done.done():
            task.done.set_result(None)

    async def _roll(self) -> None:
        """Begins a generation; waits for flushes here, so that no write blocks on them."""
        await self._disk.run(self._store.roll)
        # RocksDB does not report the end of a flush.
        while self._store.is_behind:
            await asyncio.sleep(_FLUSH_POLL_S)
            self._store.check()

    def _refuse_all(self) -> None:
        """Refuses all batches that are not acknowledged and rolls their logs back."""
        self._refuse("the disk refused the write")
        while self._tasks:
            self._tasks.popleft().fail(StorageFailed(self.failure))
        self._notify_idle()

    def _has_no_room(self) -> bool:
        """True if a batch is queued and the disk is full; markers, as for a fence, need no room."""
        return self._store.is_full and any(staged.batch is not None for staged in self._queue)

    def _refuse_for_full_disk(self) -> None:
        """Refuses appends while there is still room for the writes that free space."""
        self.refusal = "the disk has no room left for appends"
        self._refuse(self.refusal)
        self.is_full.set()

    def _refuse(self, message: str) -> None:
        self.batch_number += 1
        committing = () if self._committing is None else self._committing.unacknowledged()
        refused = [*committing, *self._queue]
        self._committing = None
        self._queue.clear()
        for staged in refused:
            if staged.batch is not None:
                staged.log.expect_retry(staged.batch)
            staged.reject(Refusal.KAFKA_STORAGE_ERROR, message)
        for log in {staged.log for staged in refused}:
            # A log that cannot be read now is rolled back by the recovery.
            with contextlib.suppress(StorageFailed):
                log.rollback()


class _ExclusiveTask(NamedTuple):
    """Work between two commits, and the future of its caller."""

    work: Callable[[], None]
    done: "asyncio.Future[None]"
    must_sync: bool
    in_thread: bool

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
