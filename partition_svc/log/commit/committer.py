"""Group commit: everything that waits becomes one write and at most one sync.

A loop without a timer: what was staged while the last group was on its way is the next group.

1. One unsynced write for the group (the caller's thread: it is short and holds Python's lock).
2. acks=1 is answered; batches that nobody wants synced become readable.
3. Where acks=all is in the group: one sync in a thread, which frees Python's lock. Then acks=all is
   answered and its batches become readable. The next group is written only after the sync: a write
   during it would wait inside RocksDB, and with it the whole process.
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

#: One write of 4 MB keeps the event loop busy for about 4 ms.
_GROUP_BYTES_MAX: Final = 4 << 20
_FLUSH_POLL_S: Final = 0.005


class Committer:
    """Stores what logs have staged. `failure` says why nothing can be stored at the moment.

    `refusal` says why appends are refused: that failure, or a disk whose rest is for deleting.
    """

    def __init__(self, store: LogStore, disk: DiskThread) -> None:
        self.failure: str | None = None
        self.refusal: str | None = None
        #: Set while appends are refused for want of room, and chores go on.
        self.is_full = asyncio.Event()
        #: Number of the group that gathers: what is submitted now will be in it, or in a later one.
        self.batch_number = 0
        self._store = store
        self._disk = disk
        self._queue: deque[StagedBatch] = deque()
        self._chores: deque[_Chore] = deque()
        self._committing: CommitBatch | None = None
        self._wake_up: asyncio.Future[None] | None = None
        self._idle: asyncio.Future[None] | None = None

    def submit(self, staged: StagedBatch) -> None:
        """Queues a staged batch; its reply is settled when it is stored, or is not."""
        self._queue.append(staged)
        if self._wake_up is not None:
            self._wake()

    async def flush(self, log: CommittableLog) -> None:
        """Waits until all that is staged of a log now is written and on its way to be answered.

        Raises:
            StorageFailed: it is not; the log is back at what the store holds.
        """
        if self.failure is not None:
            raise StorageFailed(self.failure)
        reply = AppendReply(asyncio.get_running_loop().create_future())
        # Like the copy of a duplicate: answered in its place, and nothing to be written.
        self.submit(log.stage_marker(AppendResult(), reply))
        (result,) = await reply.future
        if result.refusal is not None:
            raise StorageFailed(result.message)

    def run_exclusive(
        self, chore: Callable[[], None], *, must_sync: bool = False, in_thread: bool = False
    ) -> "asyncio.Future[None]":
        """Runs `chore`, which may write, when nothing else does; done when it has run.

        One that takes long runs in the thread for the disk, `in_thread`; appends wait all the same.

        With `must_sync` it is done when all that was written before it, or by it, survives the loss
        of power. Where the store fails, the future does too: `StorageFailed`. What else `chore`
        raises the future raises as well, and the committer goes on. A chore whose future is
        cancelled before its turn does not run. One that has begun cannot be stopped, so it must
        change the state in memory itself: its caller may be cancelled before it resumes.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.failure is not None:
            done.set_exception(StorageFailed(self.failure))
        else:
            self._chores.append(_Chore(chore, done, must_sync, in_thread))
            self._wake()
        return done

    async def commit_until_failure(self) -> None:
        """Commits group after group. Raises `StorageFailed` with everything that waited refused."""
        try:
            while True:
                if self._queue or self._chores:
                    # Lets the loop breathe, and what it brings join the group.
                    await asyncio.sleep(0)
                else:
                    await self._work()
                # While it is set, only appends of coordinators come.
                if self._queue and not self.is_full.is_set() and self._has_no_room():
                    self._refuse_for_want_of_room()
                self._write_group()
                if self._committing is not None:
                    await self._sync_group(self._committing)
                # One at a time, so that appends never wait for many.
                if self._chores:
                    await self._run_chore(self._chores.popleft())
                if self._store.is_generation_full:
                    await self._roll()
        except StorageFailed as error:
            self.failure = self.refusal = str(error)
            self.is_full.clear()
            self._refuse_all()
            raise

    @property
    def accepts_coordinators(self) -> bool:
        """Whether groups may still write where clients may not: for want of room, into the reserve.

        They write little, and consumers on a full disk are to go on.
        """
        if self.failure is not None:
            return False
        try:
            return self._store.has_room_to_clean
        except StorageFailed:
            return False

    def resume(self) -> None:
        """Takes appends again: the store can be written, and there is room."""
        self.failure = self.refusal = None
        self.is_full.clear()

    async def drain(self) -> None:
        """Waits until nothing is queued or on its way."""
        if self._wake_up is None and self.failure is None:
            if self._idle is None or self._idle.done():
                self._idle = asyncio.get_running_loop().create_future()
            await self._idle

    async def _work(self) -> None:
        self._tell_idle()
        wake_up = self._wake_up = asyncio.get_running_loop().create_future()
        await wake_up

    def _tell_idle(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _wake(self) -> None:
        wake_up, self._wake_up = self._wake_up, None
        if wake_up is not None and not wake_up.done():
            wake_up.set_result(None)

    def _write_group(self) -> None:
        """Writes what is queued; `_committing` is what of it has to be synced."""
        self.batch_number += 1
        group = self._committing = CommitBatch(self._queue, _GROUP_BYTES_MAX)
        group.write(self._store)
        group.acknowledge_written()
        if group.is_acknowledged:
            self._committing = None

    async def _sync_group(self, group: CommitBatch) -> None:
        await self._disk.run(self._store.sync)
        group.acknowledge_synced()
        self._committing = None

    async def _run_chore(self, chore: "_Chore") -> None:
        if chore.done.cancelled():
            return
        try:
            if chore.in_thread:
                await self._disk.run(chore.work)
            else:
                chore.work()
            if chore.must_sync:
                await self._disk.run(self._store.sync)
        except StorageFailed as error:
            chore.fail(error)
            raise
        except Exception as error:  # noqa: BLE001 - the bug of who queued it, and that gets it
            chore.fail(error)
            return
        if not chore.done.done():
            chore.done.set_result(None)

    async def _roll(self) -> None:
        """Begins a generation, then waits for flushes here rather than in RocksDB's writes."""
        await self._disk.run(self._store.roll)
        # RocksDB tells nobody when a flush is done.
        while self._store.is_behind:
            await asyncio.sleep(_FLUSH_POLL_S)
            self._store.check()

    def _refuse_all(self) -> None:
        """Everything unanswered: the logs go back to what the store holds."""
        self._refuse("the disk refused the write")
        while self._chores:
            self._chores.popleft().fail(StorageFailed(self.failure))
        self._tell_idle()

    def _has_no_room(self) -> bool:
        """What waits without a batch, a move at its fence among others, needs no room."""
        return self._store.is_full and any(staged.batch is not None for staged in self._queue)

    def _refuse_for_want_of_room(self) -> None:
        """Refuses appends before the disk does, so that what gives space back can be written."""
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
        for one in {staged.log for staged in refused}:
            # Where it cannot even be read, recovery puts it back.
            with contextlib.suppress(StorageFailed):
                one.rollback()


class _Chore(NamedTuple):
    """Work between groups, and who waits for it."""

    work: Callable[[], None]
    done: "asyncio.Future[None]"
    must_sync: bool
    in_thread: bool

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
