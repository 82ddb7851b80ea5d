"""Recovery of the store: runs the committer, and opens the store again after a failed write.

RocksDB accepts no write after a failed one until it is opened again. So while the disk is full or
broken, every append is refused at once, reads continue, and opening the store is retried.

A disk that fills up slowly does not get that far: appends are refused while the remaining space is
needed for deletions, and accepted again when there is room.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final, NoReturn

from common.runtime.backoff import Backoff
from partition_svc.log.commit.committer import Committer
from partition_svc.log.commit.disk_thread import DiskThread
from partition_svc.store.failures import StorageFailed
from partition_svc.store.log_store import LogStore

log = logging.getLogger(__name__)

_RETRY_S_FIRST: Final = 0.1
_RETRY_S_MAX: Final = 5.0
#: Interval between checks of a full disk; a deletion takes seconds.
_ROOM_PAUSE_S: Final = 0.5
_FLUSH_PAUSE_S: Final = 1.0


class Recovery:
    """Runs the committer until the service ends."""

    def __init__(
        self,
        committer: Committer,
        store: LogStore,
        disk: DiskThread,
        on_recovered: Callable[[], None],
        on_full: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_recovered` reloads every log from the store; it may raise `StorageFailed`.

        `on_full` is called when the disk has no room left for appends.
        """
        self._on_full = on_full
        self._committer = committer
        self._store = store
        self._disk = disk
        self._on_recovered = on_recovered
        #: How often the store was opened again. Rows that were read before may have been lost.
        self.reopenings = 0
        self._reason = ""
        self._readable = asyncio.Event()
        self._readable.set()

    @property
    def is_readable(self) -> bool:
        """False only while the store is being opened again."""
        return self._readable.is_set()

    async def until_readable(self) -> None:
        await self._readable.wait()

    async def run(self) -> NoReturn:
        while True:
            # Drop the error: its traceback would keep the failed database open.
            with contextlib.suppress(StorageFailed):
                await self._committer.commit_until_failure()
            log.error("appends are refused: %s", self._committer.failure)
            await self._recover()
            self._reason = ""
            log.info("appends are accepted again")

    async def watch_room(self) -> NoReturn:
        """Resumes appends that were refused for a full disk once it has room."""
        while True:
            await self._committer.is_full.wait()
            log.error("appends are refused: %s", self._store.room.in_words())
            self._on_full()
            # No event reports free space.
            while self._committer.is_full.is_set() and self._is_full():
                await asyncio.sleep(_ROOM_PAUSE_S)
                await self._disk.run(self._store.journaled.extend)
            # If the store has failed meanwhile, `run` recovers it.
            if self._committer.is_full.is_set():
                self._committer.resume()
                log.info("appends are accepted again: %s", self._store.room.in_words())

    async def remove_old_journal(self) -> NoReturn:
        """Removes files of the journal soon after their generations are flushed."""
        while True:
            # No event reports the end of a flush.
            await asyncio.sleep(_FLUSH_PAUSE_S)
            if self._store.journaled.has_old_files and self._committer.failure is None:
                try:
                    await self._disk.run(self._store.journaled.remove_flushed)
                except StorageFailed as error:
                    log.warning("%s", error)

    def _is_full(self) -> bool:
        try:
            return self._store.is_full
        except StorageFailed as error:
            log.warning("%s", error)
            return True

    async def _recover(self) -> None:
        backoff = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX)
        while True:
            await asyncio.sleep(backoff.next_s())
            if await self._could_open() and self._could_reload():
                break
        self._committer.resume()

    def _could_reload(self) -> bool:
        try:
            self._on_recovered()
        except StorageFailed as error:
            log.warning("cannot read logs after recovery yet: %s", error)
            return False
        return True

    async def _could_open(self) -> bool:
        """Opens the store again, in the thread; reads wait meanwhile. Returns False on failure."""
        self._readable.clear()
        self.reopenings += 1
        try:
            await self._disk.run(self._store.recover)
        except StorageFailed as error:
            # Log each reason once: this is retried every few seconds.
            if str(error) != self._reason:
                self._reason = str(error)
                log.warning("cannot open the store for writing yet: %s", error)
            return False
        finally:
            self._readable.set()
        return True
