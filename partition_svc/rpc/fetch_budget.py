"""Bounds the bytes that fetches of one caller have read and the caller has not taken yet.

A fetch that finds no room ends with what it has. One that has nothing waits, in the order of
arrival, until others have left.
"""

import asyncio
from collections import deque

from common.ports.partitions import FetchRoom


class SharedRoom:
    """Room for `bytes_max` bytes; each fetch exceeds it by one batch at most."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.used = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def open(self) -> "RoomOfFetch":
        """The view of one fetch, which must be closed."""
        return RoomOfFetch(self)

    def take(self, byte_count: int) -> None:
        self.used += byte_count
        if self._waiting:
            self._wake_next()

    def give(self, byte_count: int) -> None:
        self.used -= byte_count
        if self._waiting:
            self._wake_next()

    async def until_some(self) -> None:
        while self.used >= self.bytes_max:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            except asyncio.CancelledError:
                # Its turn may have come in the same moment.
                self._wake_next()
                raise

    def _wake_next(self) -> None:
        """One at a time, for it takes room; it or its end wakes the next."""
        while self._waiting and self.used < self.bytes_max:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return


class RoomOfFetch(FetchRoom):
    """What one fetch has of it."""

    __slots__ = ("_shared", "_taken")

    def __init__(self, shared: SharedRoom) -> None:
        self._shared = shared
        self._taken = 0

    @property
    def left(self) -> int:
        return self._shared.bytes_max - self._shared.used

    @property
    def is_short(self) -> bool:
        return self.left < self._shared.bytes_max // 2

    def take(self, byte_count: int) -> None:
        self._taken += byte_count
        self._shared.take(byte_count)

    def give(self, byte_count: int) -> None:
        """Gives back at most what was taken."""
        given = min(self._taken, byte_count)
        self._taken -= given
        self._shared.give(given)

    def close(self) -> None:
        """Gives back all of it."""
        self.give(self._taken)

    async def until_some(self) -> None:
        await self._shared.until_some()
