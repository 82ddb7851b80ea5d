"""Fetches that wait for more bytes: one waiter for each query, over all its logs together."""

from asyncio import Future
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partition_svc.log.partition_log import PartitionLog


class FetchWaiter:
    """Woken when the appends to its logs have brought the bytes that its query lacks.

    Use as a context manager around the wait: leaving it, cancelled or not, takes the waiter away
    from the logs.
    """

    __slots__ = ("_future", "_lacking_bytes", "_logs", "_room")

    def __init__(
        self,
        future: "Future[None]",
        rooms: Iterable[tuple["PartitionLog", int]],
        lacking_bytes: int,
    ) -> None:
        """`rooms`: each log with the bytes that may still come from it (its max_bytes)."""
        self._future = future
        self._lacking_bytes = lacking_bytes
        self._room: dict[PartitionLog, int] = {}
        for log, room in rooms:
            self._room[log] = self._room.get(log, 0) + room

    def __enter__(self) -> "FetchWaiter":
        for log in self._room:
            log.waiters.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        for log in self._room:
            log.waiters.discard(self)

    def on_readable(self, log: "PartitionLog", size_bytes: int) -> None:
        """`size_bytes` more can be read from `log`."""
        room = self._room[log]
        counted = min(room, size_bytes)
        self._room[log] = room - counted
        self._lacking_bytes -= counted
        # A batch that does not fit any more ends the wait too: waiting longer brings nothing.
        if self._lacking_bytes <= 0 or counted < size_bytes:
            self.wake()

    def wake(self) -> None:
        """Ends the wait at once: enough bytes, or one of the logs is gone or has moved."""
        if not self._future.done():
            self._future.set_result(None)


def wake_all(waiters: Sequence[FetchWaiter]) -> None:
    for waiter in waiters:
        waiter.wake()
