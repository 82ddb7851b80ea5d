"""Compacts the logs of topics with cleanup.policy=compact, one after the other, beside requests.

Rules of LogCleaner of Apache Kafka. What is done to one log is a `CompactionPass`.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from operator import attrgetter
from time import time

from common.ports.partitions import LogId
from common.runtime.failpoints import reach
from partition_svc.log.compaction.candidate import CompactionCandidate, cleanable
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
    """Runs as one task. `on_cleaned` is told when there may be space to be given back."""

    def __init__(
        self, tools: CompactionTools, *, backoff_ms: int, on_cleaned: Callable[[], None]
    ) -> None:
        """Looks for work every `backoff_ms`."""
        self._tools = tools
        self._backoff_s = backoff_ms / 1000
        self._on_cleaned = on_cleaned
        self.uncleanable = UncleanableLogs()
        #: Of these it could not be read what is dirty.
        self._unread: set[LogId] = set()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._backoff_s)
            try:
                await self.clean_dirty_logs()
            except StorageFailed as error:
                log.warning("cannot compact logs: %s", error)

    def close(self) -> None:
        """After the task has ended. Waits for what the thread works on: milliseconds."""
        self._tools.thread.shutdown()

    async def clean_dirty_logs(self) -> None:
        """One round over all logs, the dirtiest first.

        Raises:
            StorageFailed: it ends before it is through; the next goes on.
        """
        await reach("clean.round")
        now_ms = int(time() * 1000)
        parts = await self._parts(now_ms)
        parts.sort(key=attrgetter("dirty_ratio"), reverse=True)
        passes = [CompactionPass(part, self._tools, now_ms) for part in parts]
        try:
            for part, one in zip(parts, passes, strict=True):
                await self._clean(one, part.log.id)
        finally:
            # Also where the round ends for want of room: this is how room comes back.
            replaced = sum(one.replaced for one in passes)
            if replaced:
                log.info("compaction changed %d batches in %d logs", replaced, len(parts))
                self._on_cleaned()

    async def _clean(self, one: CompactionPass, log_id: LogId) -> None:
        """Runs a pass. What stops it stops it only for this log.

        Raises:
            StorageFailed: no log can be written to.
        """
        try:
            await one.run()
        except CompactionInterrupted:
            log.debug("compaction of %s was interrupted", log_id)
        except StorageFailed as error:
            self._note_unreadable(log_id, error)
        except Exception as error:  # noqa: BLE001 - other logs must be compacted all the same
            self.uncleanable.note(log_id, f"compaction failed: {error!r}", error)
        else:
            self._note_left_alone(log_id, one.left_alone)

    def _note_unreadable(self, log_id: LogId, error: StorageFailed) -> None:
        """Raises the error where it is not of this log alone."""
        tools = self._tools
        if isinstance(error, DiskFull) or tools.committer.failure is not None:
            raise error
        self.uncleanable.note(log_id, str(error))

    def _note_left_alone(self, log_id: LogId, left_alone: Mapping[int, str]) -> None:
        if not left_alone:
            self.uncleanable.clear(log_id)
            return
        offset = min(left_alone)
        reason = f"{len(left_alone)} batches are left as they are, the first at offset {offset}"
        self.uncleanable.note(log_id, f"{reason}: {left_alone[offset]}")

    async def _parts(self, now_ms: int) -> list[CompactionCandidate]:
        tools = self._tools
        found: list[CompactionCandidate] = []
        compacted = tools.registry.owned_compacted_logs()
        self.uncleanable.keep(compacted)
        for wanted in compacted:
            await tools.recovery.until_readable()
            try:
                part = self._part(wanted, now_ms)
            except StorageFailed as error:
                self._note_unreadable(wanted, error)
                self._unread.add(wanted)
                continue
            except Exception as error:  # noqa: BLE001 - as in `_clean`
                self.uncleanable.note(wanted, f"cannot tell what is dirty: {error!r}", error)
                continue
            if wanted in self._unread:
                self._unread.remove(wanted)
                self.uncleanable.clear(wanted)
            if part is not None:
                found.append(part)
            await asyncio.sleep(0)
        return found

    def _part(self, wanted: LogId, now_ms: int) -> CompactionCandidate | None:
        one = self._tools.registry.find(wanted)
        if not isinstance(one, PartitionLog):
            return None
        return cleanable(one, self._tools.store.reader, now_ms)
