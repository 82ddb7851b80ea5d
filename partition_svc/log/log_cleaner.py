"""Compacts the logs of topics with cleanup.policy=compact, one after the other, beside requests.

Rules of LogCleaner of Apache Kafka. What is done to one log is a `CompactionPass`.
"""

import asyncio
import logging
from collections.abc import Callable
from operator import attrgetter
from time import time

from common.failpoints import reach
from partition_svc.log.cleanable import Cleanable, cleanable
from partition_svc.log.compaction_pass import CompactionPass, Interrupted, Tools
from partition_svc.log.partition_log import PartitionLog
from partition_svc.store.failures import StorageFailed

log = logging.getLogger(__name__)


class LogCleaner:
    """Runs as one task. `on_cleaned` is told when there may be space to be given back."""

    def __init__(self, tools: Tools, *, backoff_ms: int, on_cleaned: Callable[[], None]) -> None:
        """Looks for work every `backoff_ms`."""
        self._tools = tools
        self._backoff_s = backoff_ms / 1000
        self._on_cleaned = on_cleaned

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._backoff_s)
            try:
                await self.clean_what_is_dirty()
            except StorageFailed as error:
                log.warning("cannot compact logs: %s", error)

    def close(self) -> None:
        """After the task has ended. Waits for what the thread works on: milliseconds."""
        self._tools.thread.shutdown()

    async def clean_what_is_dirty(self) -> None:
        """One round over all logs, the dirtiest first.

        Raises:
            StorageFailed: it ends before it is through; the next goes on.
        """
        await reach("clean.round")
        now_ms = int(time() * 1000)
        parts = await self._parts(now_ms)
        replaced = 0
        for part in sorted(parts, key=attrgetter("dirty_ratio"), reverse=True):
            one = CompactionPass(part, self._tools, now_ms)
            try:
                await one.run()
            except Interrupted:
                log.debug("compaction of %s was interrupted", part.log.id)
            replaced += one.replaced
        if replaced:
            log.info("compaction changed %d batches in %d logs", replaced, len(parts))
            self._on_cleaned()

    async def _parts(self, now_ms: int) -> list[Cleanable]:
        tools = self._tools
        found: list[Cleanable] = []
        for wanted in tools.registry.compacted_here():
            await tools.recovery.until_readable()
            one = tools.registry.find(wanted)
            if isinstance(one, PartitionLog):
                part = cleanable(one, tools.store.reader, now_ms)
                if part is not None:
                    found.append(part)
            await asyncio.sleep(0)
        return found
