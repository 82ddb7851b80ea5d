"""Background work: deleting logs, reclaiming their space, expiring idle producers.

Writes are small exclusive tasks of the committer; rewriting files has a thread of its own.
"""

import asyncio
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final

from common.runtime.failpoints import reach
from partition_svc.log.commit.committer import Committer
from partition_svc.log.producer_expiration import ProducerExpiration
from partition_svc.log.registry import LogRegistry
from partition_svc.log.stray_logs import StrayLogs
from partition_svc.store.failures import StorageFailed
from partition_svc.store.log_store import LogStore

log = logging.getLogger(__name__)

#: Interval between checks for too many producers.
_CHECK_S: Final = 5.0
#: Delay before reclaiming space is retried after a failure.
_RETRY_S: Final = 30.0
#: Logs that are deleted in one write, which takes some milliseconds.
_LOGS_PER_WRITE: Final = 50


class Maintenance:
    """Runs as one task. After an interruption the next start continues the work."""

    def __init__(  # noqa: PLR0913 - its parts, each named by its caller
        self,
        registry: LogRegistry,
        committer: Committer,
        store: LogStore,
        producers: ProducerExpiration,
        *,
        expiration_check_ms: int,
        stray_delay_ms: int = -1,
    ) -> None:
        """Stray logs are deleted `stray_delay_ms` after they were found; -1: never."""
        self._registry = registry
        self._committer = committer
        self._store = store
        self._producers = producers
        self._check_s = expiration_check_ms / 1000
        self._compacting = ThreadPoolExecutor(1, thread_name_prefix="compact")
        self._strays = StrayLogs(registry, store, delay_ms=stray_delay_ms)
        self._deletion_requested = asyncio.Event()
        self._reclaim_requested = asyncio.Event()

    def delete_soon(self) -> None:
        """Deletes logs of deleted topics soon; called after a change or a snapshot."""
        self._deletion_requested.set()

    def reclaim_soon(self) -> None:
        """Rewrites files soon; called after logs were deleted, or when the disk is full."""
        self._reclaim_requested.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._delete_logs())
            tasks.create_task(self._reclaim_space())
            tasks.create_task(self._expire_producers())

    def close(self) -> None:
        """Blocks until the thread has stopped; the store can be closed only then."""
        self._store.stop_reclaiming()
        self._compacting.shutdown()

    async def _delete_logs(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._strays.next_time):
                    await self._deletion_requested.wait()
            self._deletion_requested.clear()
            try:
                await self._delete_unowned()
            except StorageFailed as error:
                log.warning("cannot delete logs: %s", error)

    async def _delete_unowned(self) -> None:
        keys = deque(key for key, _ in self._store.reader.heads() if self._registry.is_deleted(key))
        keys += self._strays.due()
        count = len(keys)
        while keys:
            await self._committer.run_exclusive(partial(self._delete_some, keys))
            await reach("delete.logs")
        if count:
            log.info("deleted %d logs", count)
        # Space of logs that an earlier process deleted may not be reclaimed yet.
        self.reclaim_soon()

    def _delete_some(self, keys: deque[bytes]) -> None:
        """Removes a few keys from `keys` and deletes their logs, in one write."""
        some = [keys.popleft() for _ in range(min(_LOGS_PER_WRITE, len(keys)))]
        # Checked again: since the scan a move may have begun to copy one of these logs here.
        deletable = [key for key in some if self._is_deletable(key)]
        if deletable:
            self._store.delete_logs(deletable)

    def _is_deletable(self, key: bytes) -> bool:
        return self._registry.is_deleted(key) or self._registry.is_stray(key)

    async def _reclaim_space(self) -> None:
        retry_s: float | None = None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(retry_s):
                    await self._reclaim_requested.wait()
            self._reclaim_requested.clear()
            retry_s = None if await self._could_reclaim() else _RETRY_S

    async def _could_reclaim(self) -> bool:
        """Reclaims space; after a failure, in the smallest steps. Returns False on failure."""
        for is_tight in (False, True):
            try:
                await self._reclaim(is_tight=is_tight)
            except StorageFailed as error:
                log.warning("cannot reclaim the space of deleted logs: %s", error)
            else:
                return not is_tight
        return False

    async def _reclaim(self, *, is_tight: bool) -> None:
        store, run_exclusive = self._store, self._committer.run_exclusive
        await run_exclusive(store.end_generation)
        # The generation ends after that task and before the next.
        await run_exclusive(lambda: None)
        loop = asyncio.get_running_loop()
        freed = 0
        while files := store.find_reclaimable(is_tight=is_tight):
            await run_exclusive(partial(store.write_tombstones, files), in_thread=True)
            await loop.run_in_executor(self._compacting, store.reclaimer.rewrite, files)
            await reach("reclaim.note")
            await run_exclusive(partial(store.note_reclaimed, files))
            freed += files.total()
        if freed:
            log.info("reclaimed %d bytes of deleted logs", freed)

    async def _expire_producers(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            next_pass = loop.time() + self._check_s
            while loop.time() < next_pass and not self._producers.is_due:  # noqa: ASYNC110
                await asyncio.sleep(min(self._check_s, _CHECK_S))
            # A pass that fails is repeated at the next interval.
            with suppress(StorageFailed):
                await self._producers.run_pass()
