"""One thread for slow disk operations: syncs, flushes, opening and closing the store.

A `ThreadPoolExecutor` takes three times as long for each call, and every commit with acks=all
makes one.
"""

import asyncio
from asyncio import Future
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple


class DiskThread:
    """Runs work items in order. Must be used on the event loop on which it was created."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        # A daemon thread: a disk that hangs must not keep the process from ending.
        self._thread = Thread(target=self._run, name="disk", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[], None]) -> "Future[None]":
        """Returns a future that is done when `work` returns; exceptions pass through it."""
        done: Future[None] = self._loop.create_future()
        self._queue.put(_Job(work, done))
        return done

    async def close(self) -> None:
        """Waits for the queued work and ends the thread. Run nothing afterwards."""
        await self.run(lambda: None)
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            failure: Exception | None = None
            try:
                job.work()
            except Exception as error:  # noqa: BLE001 - the caller gets it
                failure = error
            self._loop.call_soon_threadsafe(job.finish, failure)
            # Drop the error before the next job: its traceback can keep a closed database open.
            del job, failure


class _Job(NamedTuple):
    work: Callable[[], None]
    done: "Future[None]"

    def finish(self, failure: Exception | None) -> None:
        if self.done.done():
            return
        if failure is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(failure)
