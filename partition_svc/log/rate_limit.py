"""How many bytes a second may be copied to this member, or be read and written to compact logs."""

import asyncio
from typing import Final

#: Time that was not used may be made up for, up to this much.
_CREDIT_S: Final = 0.05


class RateLimit:
    """Lets `bytes_per_second` through; 0 is no limit."""

    def __init__(self, bytes_per_second: int) -> None:
        self._bytes_per_second = bytes_per_second
        self._free_at = 0.0

    async def acquire(self, size_bytes: int) -> None:
        """Returns when so many bytes more may come. Who waits longest is let through first."""
        pause_s = self.reserve(size_bytes, asyncio.get_running_loop().time())
        if pause_s > 0:
            await asyncio.sleep(pause_s)

    def reserve(self, size_bytes: int, now_s: float) -> float:
        """Takes the bytes; how many seconds from now on they may come."""
        if not self._bytes_per_second:
            return 0.0
        begin = max(self._free_at, now_s - _CREDIT_S)
        self._free_at = begin + size_bytes / self._bytes_per_second
        return max(0.0, begin - now_s)


NO_LIMIT: Final = RateLimit(0)
