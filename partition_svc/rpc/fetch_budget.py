"""Budget of the bytes that the fetches of one caller have read and that have not been sent.

A fetch that exhausts the budget returns the data it has. A fetch without data waits, in the order
of arrival, until others release bytes.
"""

import asyncio
from collections import deque

from common.ports.partitions import FetchBudget


class SharedFetchBudget:
    """A budget of `bytes_max` bytes; each fetch exceeds it by one batch at most."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.used = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def open(self) -> "FetchBudgetShare":
        """Returns the share of one fetch, which the caller must close."""
        return FetchBudgetShare(self)

    def acquire(self, byte_count: int) -> None:
        self.used += byte_count
        if self._waiting:
            self._wake_next()

    def release(self, byte_count: int) -> None:
        self.used -= byte_count
        if self._waiting:
            self._wake_next()

    async def wait_until_available(self) -> None:
        while self.used >= self.bytes_max:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            except asyncio.CancelledError:
                # It may have been woken in the same loop iteration.
                self._wake_next()
                raise

    def _wake_next(self) -> None:
        """Wakes one waiter: it acquires bytes, and its next call wakes the following one."""
        while self._waiting and self.used < self.bytes_max:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return


class FetchBudgetShare(FetchBudget):
    """The bytes of a shared budget that one fetch has acquired."""

    __slots__ = ("_acquired", "_shared")

    def __init__(self, shared: SharedFetchBudget) -> None:
        self._shared = shared
        self._acquired = 0

    @property
    def remaining(self) -> int:
        return self._shared.bytes_max - self._shared.used

    @property
    def is_low(self) -> bool:
        return self.remaining < self._shared.bytes_max // 2

    def acquire(self, byte_count: int) -> None:
        self._acquired += byte_count
        self._shared.acquire(byte_count)

    def release(self, byte_count: int) -> None:
        """Releases at most the bytes that this fetch has acquired."""
        released = min(self._acquired, byte_count)
        self._acquired -= released
        self._shared.release(released)

    def close(self) -> None:
        """Releases all bytes of this fetch."""
        self.release(self._acquired)

    async def wait_until_available(self) -> None:
        await self._shared.wait_until_available()
