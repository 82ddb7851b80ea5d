"""Compaction of the logs of topics with cleanup.policy=compact, in the background.

Rules of LogCleaner of Apache Kafka. Logs are compacted one after the other, each by a
`CompactionPass`.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from operator import attrgetter
from time import time

from common.ports.partitions import LogId
from common.runtime.failpoints import reach
from partition_svc.log.compaction.candidate import CompactionCandidate, find_candidate
from partition_svc.log.compaction.compaction_pass import (
    CompactionInterrupted,
    CompactionPass,
    CompactionTools,
)
from partition_svc.log.compaction.uncleanable import UncleanableLogs
from partition_svc.log.partition_log import PartitionLog
from partition_svc.store.failures import DiskFull, StorageFailed

log = logging.getLogger(__name__)


class LogCleaner:
    """Runs as one task. `on_cleaned` is called when there may be space to reclaim."""

    def __init__(
        self, tools: CompactionTools, *, backoff_ms: int, on_cleaned: Callable[[], None]
    ) -> None:
        """Starts a round every `backoff_ms`."""
        self._tools = tools
        self._backoff_s = backoff_ms / 1000
        self._on_cleaned = on_cleaned
        self.uncleanable = UncleanableLogs()
        #: Logs whose dirty part could not be read.
        self._unread: set[LogId] = set()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._backoff_s)
            try:
                await self.clean_dirty_logs()
            except StorageFailed as error:
                log.warning("cannot compact logs: %s", error)

    def close(self) -> None:
        """Ends the thread, after the task has ended; waits some milliseconds for its work."""
        self._tools.thread.shutdown()

    async def clean_dirty_logs(self) -> None:
        """Compacts all logs that are due, the dirtiest first.

        Raises:
            StorageFailed: the round ends early; the next one continues.
        """
        await reach("clean.round")
        now_ms = int(time() * 1000)
        parts = await self._parts(now_ms)
        parts.sort(key=attrgetter("dirty_ratio"), reverse=True)
        passes = [CompactionPass(part, self._tools, now_ms) for part in parts]
        try:
            for part, compaction in zip(parts, passes, strict=True):
                await self._clean(compaction, part.log.id)
        finally:
            # Also after a round that a full disk has ended: reclaiming is what frees space.
            replaced = sum(compaction.replaced for compaction in passes)
            if replaced:
                log.info("compaction changed %d batches in %d logs", replaced, len(parts))
                self._on_cleaned()

    async def _clean(self, compaction: CompactionPass, log_id: LogId) -> None:
        """Runs a pass; an error of one log does not end the round.

        Raises:
            StorageFailed: no log can be written.
        """
        try:
            await compaction.run()
        except CompactionInterrupted:
            log.debug("compaction of %s was interrupted", log_id)
        except StorageFailed as error:
            self._note_unreadable(log_id, error)
        except Exception as error:  # noqa: BLE001 - other logs must be compacted all the same
            self.uncleanable.note(log_id, f"compaction failed: {error!r}", error)
        else:
            self._note_skipped(log_id, compaction.skipped)

    def _note_unreadable(self, log_id: LogId, error: StorageFailed) -> None:
        """Records an error of one log; raises it if it concerns all logs."""
        tools = self._tools
        if isinstance(error, DiskFull) or tools.committer.failure is not None:
            raise error
        self.uncleanable.note(log_id, str(error))

    def _note_skipped(self, log_id: LogId, skipped: Mapping[int, str]) -> None:
        if not skipped:
            self.uncleanable.clear(log_id)
            return
        offset = min(skipped)
        reason = f"{len(skipped)} batches are left unchanged, the first at offset {offset}"
        self.uncleanable.note(log_id, f"{reason}: {skipped[offset]}")

    async def _parts(self, now_ms: int) -> list[CompactionCandidate]:
        tools = self._tools
        found: list[CompactionCandidate] = []
        compacted = tools.registry.owned_compacted_logs()
        self.uncleanable.retain(compacted)
        for log_id in compacted:
            await tools.recovery.until_readable()
            try:
                part = self._part(log_id, now_ms)
            except StorageFailed as error:
                self._note_unreadable(log_id, error)
                self._unread.add(log_id)
                continue
            except Exception as error:  # noqa: BLE001 - as in `_clean`
                self.uncleanable.note(log_id, f"cannot find the dirty part: {error!r}", error)
                continue
            if log_id in self._unread:
                self._unread.remove(log_id)
                self.uncleanable.clear(log_id)
            if part is not None:
                found.append(part)
            await asyncio.sleep(0)
        return found

    def _part(self, log_id: LogId, now_ms: int) -> CompactionCandidate | None:
        log = self._tools.registry.find(log_id)
        if not isinstance(log, PartitionLog):
            return None
        return find_candidate(log, self._tools.store.reader, now_ms)
