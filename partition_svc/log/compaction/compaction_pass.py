"""Compaction of a part of one log while it is read and appended to.

A pass collects the last offset of each key in the part, as far as memory allows. Then it removes
every older record of these keys from the start of the log on, and continues with the rest of the
part. Reads and writes are small, records are processed in a thread, and writes are exclusive tasks
of the committer. Each write is atomic and leaves a valid log, so a pass may be interrupted at any
step; the next one begins after the last completed step.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final, NamedTuple, TypeVar

from common.records.batch import last_offset_of
from common.runtime.failpoints import reach
from partition_svc.log.commit.committer import Committer
from partition_svc.log.commit.recovery import Recovery
from partition_svc.log.compaction.candidate import CompactionCandidate
from partition_svc.log.compaction.retained_records import LastOffsets, compact
from partition_svc.log.compaction.stale_times import StaleTimeIndex
from partition_svc.log.rate_limit import RateLimit
from partition_svc.log.registry import LogRegistry
from partition_svc.store.failures import DiskFull
from partition_svc.store.keys import compacted_key, pack_u64
from partition_svc.store.log_store import LogStore
from partition_svc.store.reading import ReadLimits, Run
from partition_svc.store.space.replacing import Replacement

_T = TypeVar("_T")

#: Limits of one step: a few milliseconds of reading, processing and writing.
_PIECE: Final = ReadLimits(bytes_max=256 << 10, pause_bytes=256 << 10, at_least_one=True)


class CompactionInterrupted(Exception):
    """Raised when the log is not compacted any more, or may have changed since it was read."""


class CompactionTools(NamedTuple):
    """The resources of a pass.

    `thread` processes records, `buffer_bytes` limits the memory for keys, and `limit` the rate of
    reads and writes.
    """

    registry: LogRegistry
    committer: Committer
    recovery: Recovery
    store: LogStore
    thread: Executor
    buffer_bytes: int
    limit: RateLimit


class CompactionPass:
    """Compacts one part, once. `replaced` counts the batches that were changed or removed.

    `skipped` has the batches that could not be read or rewritten: reasons by base offset.
    """

    def __init__(self, part: CompactionCandidate, tools: CompactionTools, now_ms: int) -> None:
        self.replaced = 0
        self.skipped: dict[int, str] = {}
        self._part = part
        self._log = part.log
        self._tools = tools
        self._now_ms = now_ms
        self._reopenings = tools.recovery.reopenings

    async def run(self) -> None:
        """Compacts the whole part.

        Raises:
            CompactionInterrupted: the log moves or is deleted, or the store was opened again.
            StorageFailed
        """
        start, end = self._part.first_dirty, self._part.end
        while start < end:
            await reach("clean.begin")
            last_offsets = await self._last_offsets(start, end)
            await self._compact_before(last_offsets)
            start = last_offsets.end
            await reach("clean.note")
            await self._write(partial(self._store_end, start))
            await reach("clean.noted")

    async def _last_offsets(self, start: int, end: int) -> LastOffsets:
        """Collects keys from `start` on, up to `end` or the limit of memory."""
        found = LastOffsets(start, self._tools.buffer_bytes)
        while found.end < end and not found.is_full:
            run = await self._read(found.end, end)
            if not run.batches:
                found.end = end
            await self._in_thread(partial(found.add, run.batches, self.skipped))
        return found

    async def _compact_before(self, last_offsets: LastOffsets) -> None:
        """Removes records that have a later one in `last_offsets`, from the start of the log on."""
        retention_ms = self._log.config.delete_retention_ms
        offset = self._log.log_start_offset
        times = StaleTimeIndex(self._tools.store.reader, self._log.key)
        while offset < last_offsets.end:
            run = await self._read(offset, last_offsets.end)
            if not run.batches:
                break
            work = partial(
                compact, run.batches, last_offsets, self._now_ms, retention_ms, self.skipped
            )
            replacements = await self._in_thread(work)
            if replacements:
                self._check_room()
                await reach("clean.replace")
                await self._write(partial(self._replace, replacements))
                await reach("clean.replaced")
                await self._tools.limit.acquire(_put_bytes(replacements))
            await self._delete_stale_times(times, run.next_offset, _kept(run.batches, replacements))
            offset = run.next_offset
        await self._delete_stale_times(times, last_offsets.end, ())

    async def _delete_stale_times(
        self, times: StaleTimeIndex, end_offset: int, kept: Collection[int]
    ) -> None:
        """Deletes rows of the time index before `end_offset` whose batches were removed."""
        is_all = False
        while not is_all:
            await self._tools.recovery.until_readable()
            self._check()
            keys, is_all = times.next(end_offset, kept)
            if keys:
                await self._write(partial(self._delete_rows, keys))

    async def _read(self, offset: int, end: int) -> Run:
        """Reads batches; waits while the store is opened again."""
        await self._tools.recovery.until_readable()
        self._check()
        run = self._tools.store.reader.read(self._log.key, offset, end, _PIECE)
        await self._tools.limit.acquire(run.size_bytes)
        return run

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._tools.thread, work)

    async def _write(self, work: Callable[[], None]) -> None:
        """Runs `work` as an exclusive task, if the log has not changed since it was read."""

        def write() -> None:
            if self._is_current:
                work()

        await self._tools.committer.run_exclusive(write)
        self._check()

    def _check_room(self) -> None:
        """Raises `DiskFull` if the writes would use the room that deletions need.

        The space that compaction frees is reclaimed later.
        """
        if not self._tools.store.has_room_to_clean:
            raise DiskFull("no room on the disk to compact a log")

    def _replace(self, replacements: Sequence[Replacement]) -> None:
        """Replaces batches; also updates size and cache of the log."""
        store, log = self._tools.store, self._log
        changes = store.new_write()
        removed_bytes = store.replace(changes, log.key, log.head.size_bytes, replacements)
        log.subtract_bytes(changes, removed_bytes)
        store.write(changes, 0)
        log.on_compacted(replacements[-1].last_offset + 1)
        self.replaced += len(replacements)

    def _delete_rows(self, keys: Sequence[bytes]) -> None:
        changes = self._tools.store.new_write()
        for key in keys:
            changes.delete(key)
        self._tools.store.write(changes, 0)

    def _store_end(self, end: int) -> None:
        """Stores that the log is compacted up to `end`."""
        changes = self._tools.store.new_write()
        changes.put(compacted_key(self._log.key), pack_u64(end))
        self._tools.store.write(changes, 0)

    def _check(self) -> None:
        if not self._is_current:
            raise CompactionInterrupted

    @property
    def _is_current(self) -> bool:
        """True if the log may be compacted and the store was not opened again.

        A log that moves is not compacted, since the copy must not miss tombstones of its records.
        A store that was opened again may have lost the records for which older ones are removed.
        """
        log, registry = self._log, self._tools.registry
        return (
            self._tools.recovery.reopenings == self._reopenings
            and registry.logs.get(log.id) is log
            and registry.view.move_of(*log.id) is None
            and log.config.is_compacted
        )


def _put_bytes(replacements: Sequence[Replacement]) -> int:
    return sum(len(new.batch) for new in replacements if new.batch is not None)


def _kept(batches: Sequence[bytes], replacements: Sequence[Replacement]) -> set[int]:
    """Returns the last offsets of the batches that remain, changed or not."""
    kept = {last_offset_of(batch) for batch in batches}
    return kept - {new.last_offset for new in replacements if new.batch is None}
