"""One thread for what may take long on the disk: syncs, flushes, opening and closing.

A `ThreadPoolExecutor` would do; this takes a third of its time, and there is one of these for every
group of appends with acks=all.
"""

import asyncio
from asyncio import Future
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple


class DiskThread:
    """Runs one piece of work after the other. Belongs to the event loop it is made on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        # A daemon: a disk that never answers must not keep the process from ending.
        self._thread = Thread(target=self._run, name="disk", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[], None]) -> "Future[None]":
        """Done when `work` has returned, or raises what it raised."""
        done: Future[None] = self._loop.create_future()
        self._queue.put(_Job(work, done))
        return done

    async def close(self) -> None:
        """After what is queued. Nothing may be run afterwards."""
        await self.run(lambda: None)
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            failure: Exception | None = None
            try:
                job.work()
            except Exception as error:  # noqa: BLE001 - whoever waits for it gets it
                failure = error
            self._loop.call_soon_threadsafe(job.finish, failure)
            # Not until the next job: a traceback can keep a database open.
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
