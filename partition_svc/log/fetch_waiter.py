"""Fetches that wait for more bytes: one waiter for each query, over all its logs together."""

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
    """Collects the logs of a query that changed, and ends its wait when there is enough to read.

    Use as a context manager: leaving it, cancelled or not, takes the waiter away from its logs.
    """

    __slots__ = ("_future", "_lacking_bytes", "_room", "changed")

    def __init__(self) -> None:
        #: Logs that have more to read, moved or are gone; the query takes them out and reads them.
        self.changed: set[WatchedLog] = set()
        self._lacking_bytes = 0
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
        """Waits for `log` too; `room_bytes` is how much the query still takes of it."""
        if log not in self._room:
            log.waiters.add(self)
        self._room[log] = room_bytes

    async def wait(self, lacking_bytes: int, deadline: float) -> None:
        """Returns when `lacking_bytes` more came to the logs, one went away, or at `deadline`.

        Returns at once where a log has changed since the query read it. `deadline` is loop time.
        """
        if self.changed:
            return
        loop = asyncio.get_running_loop()
        self._lacking_bytes = lacking_bytes
        future = self._future = loop.create_future()
        timer = loop.call_at(deadline, self.wake)
        try:
            await future
        finally:
            timer.cancel()
            self._future = None

    def on_readable(self, log: WatchedLog, size_bytes: int) -> None:
        """`size_bytes` more can be read from `log`."""
        self.changed.add(log)
        room = self._room[log]
        counted = min(room, size_bytes)
        self._room[log] = room - counted
        self._lacking_bytes -= counted
        # A batch that does not fit any more ends the wait too: waiting longer brings nothing.
        if self._lacking_bytes <= 0 or counted < size_bytes:
            self.wake()

    def on_changed(self, log: WatchedLog) -> None:
        """`log` is gone, has another leader epoch or was read again from the store."""
        self.changed.add(log)
        self.wake()

    def wake(self) -> None:
        """Ends the wait at once."""
        if self._future is not None and not self._future.done():
            self._future.set_result(None)


def wake_all(log: WatchedLog) -> None:
    """Makes every query that waits for `log` look at it again."""
    for waiter in tuple(log.waiters):
        waiter.on_changed(log)
