"""Detection of pauses of this process: SIGSTOP, a suspended machine, a starved or blocked loop.

The monotonic clock runs on while a process stands still. When the process continues, every lease
looks expired although the messages that renew it wait in the sockets, and connections that clients
gave up on meanwhile all end at once. So no lease expires
by that: after a pause every watcher has one whole lease to send a message.
"""

import asyncio
import logging
from typing import Final

log = logging.getLogger(__name__)

#: The loop is checked so often in a lease, and was paused where a check comes this much too late.
_CHECKS_PER_LEASE: Final = 12
_LATE_CHECKS: Final = 3

#: Shorter ones are not pauses, however short the lease.
_PAUSE_S_MIN: Final = 0.25


class Pauses:
    """The last pause of the event loop. Before `run` is started none is noticed.

    All times are loop time, in seconds.
    """

    def __init__(self, *, lease_ms: int) -> None:
        self.lease_s = lease_ms / 1000
        #: When the last pause was over.
        self.resumed_at = float("-inf")
        self._checked_at: float | None = None

    @property
    def grace_until(self) -> float:
        """The end of the lease that every watcher got after the last pause."""
        return self.resumed_at + self.lease_s

    def check(self) -> None:
        """Notices a pause that is just over. Must be called before a lease expires.

        Timers that came due during a pause fire in any order, so `run` may not have noticed it yet.
        """
        if self._checked_at is None:
            return
        now = asyncio.get_running_loop().time()
        gap_s, self._checked_at = now - self._checked_at, now
        if gap_s >= max(self._interval_s * _LATE_CHECKS, _PAUSE_S_MIN):
            self.resumed_at = now
            log.warning(
                "the metadata service was paused for %.1f s: every member gets a new lease", gap_s
            )

    async def run(self) -> None:
        """Checks until it is cancelled."""
        self._checked_at = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(self._interval_s)
            self.check()

    async def wait_for_grace(self) -> None:
        """Returns at once, except after a pause: then after one lease."""
        loop = asyncio.get_running_loop()
        self.check()
        while (left_s := self.grace_until - loop.time()) > 0:
            await asyncio.sleep(left_s)
            self.check()

    @property
    def _interval_s(self) -> float:
        return max(self.lease_s / _CHECKS_PER_LEASE, _PAUSE_S_MIN / _LATE_CHECKS)
