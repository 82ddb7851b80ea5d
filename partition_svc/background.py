"""Background tasks of a member's logs: recovery of the store, maintenance, compaction."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from partition_svc.config import PartitionSettings
from partition_svc.log.commit.committer import Committer
from partition_svc.log.commit.recovery import Recovery
from partition_svc.log.compaction.cleaner import LogCleaner
from partition_svc.log.compaction.compaction_pass import CompactionTools
from partition_svc.log.maintenance import Maintenance
from partition_svc.log.producer_expiration import ProducerExpiration
from partition_svc.log.rate_limit import RateLimit
from partition_svc.log.registry import LogRegistry
from partition_svc.store.log_store import LogStore


class BackgroundTasks:
    """Created with the logs, started and stopped with them. None ends by itself but by a bug."""

    def __init__(
        self,
        registry: LogRegistry,
        committer: Committer,
        recovery: Recovery,
        store: LogStore,
        settings: PartitionSettings,
    ) -> None:
        self._recovery = recovery
        self.producers = ProducerExpiration(
            registry,
            committer,
            recovery,
            store,
            expiration_ms=settings.producer_expiration_ms,
            ids_max=settings.producer_ids_max,
        )
        self.maintenance = Maintenance(
            registry,
            committer,
            store,
            self.producers,
            expiration_check_ms=settings.producer_expiration_check_ms,
            stray_delay_ms=settings.stray_delete_delay_ms,
        )
        tools = CompactionTools(
            registry,
            committer,
            recovery,
            store,
            ThreadPoolExecutor(1, thread_name_prefix="clean"),
            settings.cleaner_buffer_bytes,
            RateLimit(settings.cleaner_bytes_per_second),
        )
        self.cleaner = LogCleaner(
            tools, backoff_ms=settings.cleaner_backoff_ms, on_cleaned=self.maintenance.reclaim_soon
        )
        self._must_clean = settings.cleaner_enable
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        running = [
            self._recovery.run(),
            self._recovery.watch_room(),
            self._recovery.remove_old_journal(),
            self.maintenance.run(),
        ]
        if self._must_clean:
            running.append(self.cleaner.run())
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(task) for task in running]

    async def until_broken(self) -> None:
        """Raises the exception that ended a task; never returns otherwise."""
        # Not gather: a caller that stops waiting must not cancel the tasks that the drain needs.
        ended, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()

    async def wait_for(self, draining: "asyncio.Task[None]") -> None:
        """Waits for `draining`, which needs the tasks, or until one of them has ended."""
        if self._tasks:
            await asyncio.wait([draining, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()

    async def stop(self) -> bool:
        """Cancels all tasks. Returns True if none had ended before, which only a bug causes."""
        is_sound = not any(task.done() for task in self._tasks)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return is_sound

    def close(self) -> None:
        """Ends the threads. Call it after `stop`."""
        self.cleaner.close()
        self.maintenance.close()
