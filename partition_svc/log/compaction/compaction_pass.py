"""Compacts a part of one log, while it is read and appended to.

First the last offset of each key in that part is noted, as far as memory allows; then everything
from the start of the log on that has a later record goes, oldest first; then the same for the rest
of the part. What is read and written at a time is small, the work on records has a thread, and
writes go between the committer's groups. Each write is atomic and leaves a log that says the same
as before. So a pass may end anywhere: the next one begins again where the last one was through.
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
from partition_svc.store.replacing import Replacement

_T = TypeVar("_T")

#: Read, worked on and written at a time: a few milliseconds of each.
_PIECE: Final = ReadLimits(bytes_max=256 << 10, pause_bytes=256 << 10, at_least_one=True)


class CompactionInterrupted(Exception):
    """The log is not to be compacted any more, or what was read of it may not be there now."""


class CompactionTools(NamedTuple):
    """What a pass works with. `thread` is for work on records, `buffer_bytes` for keys.

    `limit` is for what is read and written.
    """

    registry: LogRegistry
    committer: Committer
    recovery: Recovery
    store: LogStore
    thread: Executor
    buffer_bytes: int
    limit: RateLimit


class CompactionPass:
    """For one part, once. `replaced` counts the batches that are changed or gone.

    `left_alone` has those that could not be read or written again: the reasons by base offset.
    """

    def __init__(self, part: CompactionCandidate, tools: CompactionTools, now_ms: int) -> None:
        self.replaced = 0
        self.left_alone: dict[int, str] = {}
        self._part = part
        self._log = part.log
        self._tools = tools
        self._now_ms = now_ms
        self._reopenings = tools.recovery.reopenings

    async def run(self) -> None:
        """Until the whole part is compacted.

        Raises:
            CompactionInterrupted: the log moves, is deleted, or the store was opened again.
            StorageFailed
        """
        start, end = self._part.first_dirty, self._part.end
        while start < end:
            await reach("clean.begin")
            last_offsets = await self._last_offsets(start, end)
            await self._compact_before(last_offsets)
            start = last_offsets.end
            await reach("clean.note")
            await self._write(partial(self._note, start))
            await reach("clean.noted")

    async def _last_offsets(self, start: int, end: int) -> LastOffsets:
        """Of the keys from `start` on, up to `end` or as many as there is room for."""
        found = LastOffsets(start, self._tools.buffer_bytes)
        while found.end < end and not found.is_full:
            run = await self._read(found.end, end)
            if not run.batches:
                found.end = end
            await self._in_thread(partial(found.add, run.batches, self.left_alone))
        return found

    async def _compact_before(self, last_offsets: LastOffsets) -> None:
        """Takes away all that has a later record among `last_offsets`, from the log's start on."""
        retention_ms = self._log.config.delete_retention_ms
        offset = self._log.log_start_offset
        times = StaleTimeIndex(self._tools.store.reader, self._log.key)
        while offset < last_offsets.end:
            run = await self._read(offset, last_offsets.end)
            if not run.batches:
                break
            work = partial(
                compact, run.batches, last_offsets, self._now_ms, retention_ms, self.left_alone
            )
            replacements = await self._in_thread(work)
            if replacements:
                self._check_room()
                await reach("clean.replace")
                await self._write(partial(self._replace, replacements))
                await reach("clean.replaced")
                await self._tools.limit.acquire(_put_bytes(replacements))
            await self._forget_times(times, run.next_offset, _kept(run.batches, replacements))
            offset = run.next_offset
        await self._forget_times(times, last_offsets.end, ())

    async def _forget_times(
        self, times: StaleTimeIndex, end_offset: int, kept: Collection[int]
    ) -> None:
        """Deletes rows of the time index before `end_offset` whose batches are gone."""
        is_all = False
        while not is_all:
            await self._tools.recovery.until_readable()
            self._check()
            keys, is_all = times.next(end_offset, kept)
            if keys:
                await self._write(partial(self._delete_rows, keys))

    async def _read(self, offset: int, end: int) -> Run:
        """Not while the store is being opened again."""
        await self._tools.recovery.until_readable()
        self._check()
        run = self._tools.store.reader.read(self._log.key, offset, end, _PIECE)
        await self._tools.limit.acquire(run.size_bytes)
        return run

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._tools.thread, work)

    async def _write(self, work: Callable[[], None]) -> None:
        """Between the committer's groups, and only where the log is still what was read."""

        def write() -> None:
            if self._is_current:
                work()

        await self._tools.committer.run_exclusive(write)
        self._check()

    def _check_room(self) -> None:
        """What compaction frees comes back later. Until then it must leave room for deleting."""
        if not self._tools.store.has_room_to_clean:
            raise DiskFull("no room on the disk to compact a log")

    def _replace(self, replacements: Sequence[Replacement]) -> None:
        """What it does to size and cache of the log happens in the same turn as the write."""
        store, one = self._tools.store, self._log
        group = store.new_write()
        gone_bytes = store.replace(group, one.key, one.head.size_bytes, replacements)
        one.subtract_bytes(group, gone_bytes)
        store.write(group, 0)
        one.on_compacted(replacements[-1].last_offset + 1)
        self.replaced += len(replacements)

    def _delete_rows(self, keys: Sequence[bytes]) -> None:
        group = self._tools.store.new_write()
        for key in keys:
            group.delete(key)
        self._tools.store.write(group, 0)

    def _note(self, end: int) -> None:
        """The log is compacted up to `end`."""
        group = self._tools.store.new_write()
        group.put(compacted_key(self._log.key), pack_u64(end))
        self._tools.store.write(group, 0)

    def _check(self) -> None:
        if not self._is_current:
            raise CompactionInterrupted

    @property
    def _is_current(self) -> bool:
        """A copy that a move makes must not miss a tombstone of what it has: moved logs rest.

        And a store that was opened again may have lost the records that others were to go for.
        """
        one, registry = self._log, self._tools.registry
        return (
            self._tools.recovery.reopenings == self._reopenings
            and registry.logs.get(one.id) is one
            and registry.view.move_of(*one.id) is None
            and one.config.is_compacted
        )


def _put_bytes(replacements: Sequence[Replacement]) -> int:
    return sum(len(one.batch) for one in replacements if one.batch is not None)


def _kept(batches: Sequence[bytes], replacements: Sequence[Replacement]) -> set[int]:
    """Last offsets of the batches that stay, changed or not."""
    kept = {last_offset_of(batch) for batch in batches}
    return kept - {one.last_offset for one in replacements if one.batch is None}
