"""Tells the metadata service every few seconds what logs hold, and how far moves are.

Kept there in memory only, for planning and for operators: so every new watch is told everything.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from common.ports.metadata import Watch
from common.ports.moves import DiskState, LogLoad, MemberReport, MoveProgress
from common.ports.partitions import LogId
from partition_svc.log.read.log_sizes import LogSizes
from partition_svc.store.failures import StorageFailed

INTERVAL_S: Final = 2.0

#: A change of the room on the disk by less is not reported.
_ROOM_CHANGE_BYTES: Final = 1 << 20


class Reporter:
    """Runs as one task; tell it of every watch."""

    def __init__(
        self,
        sizes: LogSizes,
        progress: Callable[[], Sequence[MoveProgress]],
        disk: Callable[[], DiskState],
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._sizes = sizes
        self._progress = progress
        self._disk = disk
        self._interval_s = interval_s
        self._watch: Watch | None = None
        #: Whether the watch has been told of logs that nobody has opened.
        self._has_told_all = False
        self._told: dict[LogId, LogLoad] = {}
        self._told_disk: DiskState | None = None

    def on_watch(self, watch: Watch) -> None:
        self._watch = watch
        self._has_told_all = False
        self._told.clear()
        self._told_disk = None

    async def run(self) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        before = loop.time()
        while True:
            await asyncio.sleep(self._interval_s)
            now = loop.time()
            with suppress(StorageFailed):
                await self.report(now - before)
            before = now

    async def report(self, elapsed_s: float) -> None:
        """One report, where there is something to tell. `elapsed_s`: since the one before.

        Raises:
            StorageFailed: sizes or the disk could not be read.
        """
        watch, has_told_all = self._watch, self._has_told_all
        if watch is None:
            return
        sizes: dict[LogId, int] = {}
        if not has_told_all:
            # Of one row that cannot be read the disk and the open logs are not to suffer.
            with suppress(StorageFailed):
                sizes = await self._sizes.all_logs()
                has_told_all = True
        sizes |= self._sizes.open_logs()
        if watch is not self._watch:
            return
        self._has_told_all = has_told_all
        loads = list(self._changed(sizes, elapsed_s))
        progress = self._progress()
        disk = self._changed_disk()
        if loads or progress or disk is not None:
            watch.report(MemberReport(loads, tuple(progress), disk))

    def _changed_disk(self) -> DiskState | None:
        """The disk, where it is not as it was told."""
        told, disk = self._told_disk, self._disk()
        if (
            told is not None
            and told.is_writable == disk.is_writable
            and abs(told.room_bytes - disk.room_bytes) < _ROOM_CHANGE_BYTES
        ):
            return None
        self._told_disk = disk
        return disk

    def _changed(self, sizes: Mapping[LogId, int], elapsed_s: float) -> Iterator[LogLoad]:
        """Loads that are not as they were told."""
        for log, size_bytes in sizes.items():
            told = self._told.get(log)
            grown = 0 if told is None else max(0, size_bytes - told.size_bytes)
            load = LogLoad(*log, size_bytes, int(grown / elapsed_s))
            if load != told:
                self._told[log] = load
                yield load
