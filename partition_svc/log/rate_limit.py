"""Rate limits, in bytes per second, for copies to this member and for log compaction."""

import asyncio
from typing import Final

#: Seconds of unused budget that may be caught up on.
_CREDIT_S: Final = 0.05


class RateLimit:
    """A limit of `bytes_per_second`; 0 is no limit."""

    def __init__(self, bytes_per_second: int) -> None:
        self._bytes_per_second = bytes_per_second
        self._free_at = 0.0

    async def acquire(self, size_bytes: int) -> None:
        """Waits until `size_bytes` more fit the rate, in the order of the calls."""
        pause_s = self.reserve(size_bytes, asyncio.get_running_loop().time())
        if pause_s > 0:
            await asyncio.sleep(pause_s)

    def reserve(self, size_bytes: int, now_s: float) -> float:
        """Counts the bytes and returns the seconds to wait before they may be transferred."""
        if not self._bytes_per_second:
            return 0.0
        begin = max(self._free_at, now_s - _CREDIT_S)
        self._free_at = begin + size_bytes / self._bytes_per_second
        return max(0.0, begin - now_s)


NO_LIMIT: Final = RateLimit(0)
