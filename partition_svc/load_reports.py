"""Reports sizes and rates of logs, the disk, and progress of moves to the metadata service.

The metadata service keeps reports in memory only, so every new watch gets a full report.
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

#: Smallest change of the free space that is reported.
_ROOM_CHANGE_BYTES: Final = 1 << 20


class Reporter:
    """Sends reports over the current watch; runs as one task."""

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
        #: True once the watch has received all logs, also those that are not open.
        self._is_full_sent = False
        self._sent: dict[LogId, LogLoad] = {}
        self._sent_disk: DiskState | None = None

    def on_watch(self, watch: Watch) -> None:
        self._watch = watch
        self._is_full_sent = False
        self._sent.clear()
        self._sent_disk = None

    async def run(self) -> None:
        """Reports at intervals until it is cancelled."""
        loop = asyncio.get_running_loop()
        before = loop.time()
        while True:
            await asyncio.sleep(self._interval_s)
            now = loop.time()
            with suppress(StorageFailed):
                await self.report(now - before)
            before = now

    async def report(self, elapsed_s: float) -> None:
        """Sends one report if anything changed. `elapsed_s`: time since the last one.

        Raises:
            StorageFailed: sizes or the disk could not be read.
        """
        watch, is_full_sent = self._watch, self._is_full_sent
        if watch is None:
            return
        sizes: dict[LogId, int] = {}
        if not is_full_sent:
            # One unreadable row must not suppress the disk and the open logs.
            with suppress(StorageFailed):
                sizes = await self._sizes.all_logs()
                is_full_sent = True
        sizes |= self._sizes.open_logs()
        if watch is not self._watch:
            return
        self._is_full_sent = is_full_sent
        loads = list(self._changed(sizes, elapsed_s))
        progress = self._progress()
        disk = self._changed_disk()
        if loads or progress or disk is not None:
            watch.report(MemberReport(loads, tuple(progress), disk))

    def _changed_disk(self) -> DiskState | None:
        """The state of the disk if it has changed; else None."""
        sent, disk = self._sent_disk, self._disk()
        if (
            sent is not None
            and sent.is_writable == disk.is_writable
            and abs(sent.room_bytes - disk.room_bytes) < _ROOM_CHANGE_BYTES
        ):
            return None
        self._sent_disk = disk
        return disk

    def _changed(self, sizes: Mapping[LogId, int], elapsed_s: float) -> Iterator[LogLoad]:
        """Loads that have changed since they were sent."""
        for log, size_bytes in sizes.items():
            sent = self._sent.get(log)
            grown = 0 if sent is None else max(0, size_bytes - sent.size_bytes)
            load = LogLoad(*log, size_bytes, int(grown / elapsed_s))
            if load != sent:
                self._sent[log] = load
                yield load
