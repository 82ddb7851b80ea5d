"""Long polls: one waiter for each fetch, over all its logs."""

import asyncio
from types import TracebackType
from typing import Protocol

from common.ports.partitions import LogId


class WatchedLog(Protocol):
    """A log that fetches wait for; `PartitionLog` implements this."""

    waiters: "set[FetchWaiter]"

    @property
    def id(self) -> LogId: ...


class FetchWaiter:
    """Collects the changed logs of a fetch, and ends its wait when there is enough to read.

    A context manager: on exit, cancelled or not, the waiter is removed from its logs.
    """

    __slots__ = ("_future", "_missing_bytes", "_room", "changed")

    def __init__(self) -> None:
        #: Logs that have more to read, or were moved or closed; the fetch reads and removes them.
        self.changed: set[WatchedLog] = set()
        self._missing_bytes = 0
        self._room: dict[WatchedLog, int] = {}
        self._future: asyncio.Future[None] | None = None

    def __enter__(self) -> "FetchWaiter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for log in self._room:
            log.waiters.discard(self)

    def watch(self, log: WatchedLog, room_bytes: int) -> None:
        """Adds a log; the fetch reads up to `room_bytes` more from it."""
        if log not in self._room:
            log.waiters.add(self)
        self._room[log] = room_bytes

    async def wait(self, missing_bytes: int, deadline: float) -> None:
        """Returns when `missing_bytes` more can be read, a log was closed, or at `deadline`.

        Returns at once if a log has changed since the fetch read it. `deadline` is loop time.
        """
        if self.changed:
            return
        loop = asyncio.get_running_loop()
        self._missing_bytes = missing_bytes
        future = self._future = loop.create_future()
        timer = loop.call_at(deadline, self.wake)
        try:
            await future
        finally:
            timer.cancel()
            self._future = None

    def on_readable(self, log: WatchedLog, size_bytes: int) -> None:
        """Records that `size_bytes` more can be read from `log`."""
        self.changed.add(log)
        room = self._room[log]
        counted = min(room, size_bytes)
        self._room[log] = room - counted
        self._missing_bytes -= counted
        # A batch over the fetch's limit of the log ends the wait too: waiting longer adds nothing.
        if self._missing_bytes <= 0 or counted < size_bytes:
            self.wake()

    def on_changed(self, log: WatchedLog) -> None:
        """Records that `log` was closed or reloaded, or has another leader epoch."""
        self.changed.add(log)
        self.wake()

    def wake(self) -> None:
        """Ends the wait at once."""
        if self._future is not None and not self._future.done():
            self._future.set_result(None)


def wake_all(log: WatchedLog) -> None:
    """Makes every fetch that waits for `log` read it again."""
    for waiter in tuple(log.waiters):
        waiter.on_changed(log)
