"""Detection of a busy event loop, so that no member expires whose heartbeat was not read yet.

While one callback runs for seconds, heartbeats wait in sockets and deadlines pass. When the loop
continues, a heartbeat takes several iterations, read by read and task by task, and a deadline one.
So deadlines are postponed until the loop had as long to read as it was late.
"""

import asyncio
from typing import Final

#: Every loop is late by less than this.
_LATE_S: Final = 0.25
_CHECK_S: Final = 0.1
#: The longest postponement of deadlines, however late the loop was.
_GRACE_S_MAX: Final = 5.0


class LoopLag:
    """Measures the running loop until `close`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._quiet_from = self._loop.time()
        self._begin()

    def grace_s(self) -> float:
        """Returns how long deadlines must still be postponed; 0 if the loop has been on time."""
        now = self._loop.time()
        late_s = now - self._check_at
        if late_s > _LATE_S:
            # Deadlines that are equally late may run before the late check.
            self._quiet_from = max(self._quiet_from, now + min(late_s, _GRACE_S_MAX))
        return max(0.0, self._quiet_from - now)

    def close(self) -> None:
        self._timer.cancel()

    def _begin(self) -> None:
        self._check_at = self._loop.time() + _CHECK_S
        self._timer = self._loop.call_at(self._check_at, self._check)

    def _check(self) -> None:
        self.grace_s()
        self._begin()
