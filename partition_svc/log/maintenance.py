"""What is done beside requests: data that is not ours any more, and producers that fell silent.

Writes go between the committer's groups, one small step at a time; compaction has its own thread.
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

#: How often it is looked whether producers have become too many.
_LOOK_S: Final = 5.0
#: How long after a failure to free space it is tried again.
_RETRY_S: Final = 30.0
#: Logs that are deleted in one write: some milliseconds.
_LOGS_PER_TURN: Final = 50


class Maintenance:
    """Runs as one task. Interrupted anywhere, the next start finds what is left to do."""

    def __init__(  # noqa: PLR0913 - what it is made of, each named by its caller
        self,
        registry: LogRegistry,
        committer: Committer,
        store: LogStore,
        producers: ProducerExpiration,
        *,
        expiration_check_ms: int,
        stray_delay_ms: int = -1,
    ) -> None:
        """`stray_delay_ms`: how long stray logs are kept; -1: until an operator says otherwise."""
        self._registry = registry
        self._committer = committer
        self._store = store
        self._producers = producers
        self._check_s = expiration_check_ms / 1000
        self._compacting = ThreadPoolExecutor(1, thread_name_prefix="compact")
        self._strays = StrayLogs(registry, store, delay_ms=stray_delay_ms)
        self._logs_gone = asyncio.Event()
        self._space_to_reclaim = asyncio.Event()

    def delete_soon(self) -> None:
        """Topics were deleted, or a snapshot came and much may have happened meanwhile."""
        self._logs_gone.set()

    def reclaim_soon(self) -> None:
        """Logs were deleted, or the disk is full: it may be worth to rewrite files."""
        self._space_to_reclaim.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._delete_logs())
            tasks.create_task(self._reclaim_space())
            tasks.create_task(self._expire_producers())

    def close(self) -> None:
        """Blocks until compaction has stopped; the store can only be closed then."""
        self._store.stop_reclaiming()
        self._compacting.shutdown()

    async def _delete_logs(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._strays.next_time):
                    await self._logs_gone.wait()
            self._logs_gone.clear()
            try:
                await self._delete_what_may_go()
            except StorageFailed as error:
                log.warning("cannot delete logs that are gone: %s", error)

    async def _delete_what_may_go(self) -> None:
        keys = deque(key for key, _ in self._store.heads() if self._registry.is_deleted(key))
        keys += self._strays.due()
        count = len(keys)
        while keys:
            await self._committer.run_exclusive(partial(self._delete_some, keys))
            await reach("delete.logs")
        if count:
            log.info("deleted %d logs that are gone", count)
        # What an earlier process deleted may not be reclaimed yet.
        self.reclaim_soon()

    def _delete_some(self, keys: deque[bytes]) -> None:
        """Takes a few from `keys`: few enough for one turn of the loop."""
        found = [keys.popleft() for _ in range(min(_LOGS_PER_TURN, len(keys)))]
        # Looked at again: while others were deleted a move may have begun to bring one of these.
        found = [key for key in found if self._may_go(key)]
        if found:
            self._store.delete_logs(found)

    def _may_go(self, key: bytes) -> bool:
        return self._registry.is_deleted(key) or self._registry.is_stray(key)

    async def _reclaim_space(self) -> None:
        retry_s: float | None = None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(retry_s):
                    await self._space_to_reclaim.wait()
            self._space_to_reclaim.clear()
            retry_s = None if await self._could_reclaim() else _RETRY_S

    async def _could_reclaim(self) -> bool:
        """Frees what it can; where that fails, in the smallest steps. Returns False on failure."""
        for is_tight in (False, True):
            try:
                await self._reclaim(is_tight=is_tight)
            except StorageFailed as error:
                log.warning("cannot free the space of deleted logs: %s", error)
            else:
                return not is_tight
        return False

    async def _reclaim(self, *, is_tight: bool) -> None:
        store, run_exclusive = self._store, self._committer.run_exclusive
        await run_exclusive(store.end_generation)
        # It ends after that chore and before the next.
        await run_exclusive(lambda: None)
        loop = asyncio.get_running_loop()
        freed = 0
        while found := store.find_reclaimable(is_tight=is_tight):
            await run_exclusive(partial(store.write_tombstones, found), in_thread=True)
            await loop.run_in_executor(self._compacting, store.reclaimer.rewrite, found)
            await reach("reclaim.note")
            await run_exclusive(partial(store.note_reclaimed, found))
            freed += found.total()
        if freed:
            log.info("freed %d bytes of what was deleted", freed)

    async def _expire_producers(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            next_pass = loop.time() + self._check_s
            while loop.time() < next_pass and not self._producers.is_due:  # noqa: ASYNC110
                await asyncio.sleep(min(self._check_s, _LOOK_S))
            # What cannot be stored now is looked at again the next time.
            with suppress(StorageFailed):
                await self._producers.run_pass()
