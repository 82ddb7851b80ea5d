"""The deadlines of many groups behind one timer of the event loop."""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

#: A loop that is late all the time puts nobody off for longer.
_PUT_OFF_S_MAX: Final = 10.0


class Deadlines:
    """Calls `on_due(group_id)` when a group's time has come; it may be early.

    It is late only where the loop was busy: then requests that wait in sockets come first.

    A deadline that moves back, as with every heartbeat, costs nothing: the group is called at the
    time that was noted first, and says then when it wants to be called again.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        on_due: Callable[[str], None],
        *,
        grace_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`grace_s` says how long all are put off now (`LoopLag.grace_s`)."""
        self._now_ms = now_ms
        self._grace_s = grace_s
        self._put_off_since: float | None = None
        self._on_due = on_due
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[int, str]] = []
        self._noted: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, group_id: str, deadline_ms: int | None) -> None:
        """The group wants to be called at `deadline_ms`, or not at all."""
        if deadline_ms is None:
            self._noted.pop(group_id, None)
            return
        noted = self._noted.get(group_id)
        if noted is not None and noted <= deadline_ms:
            return
        self._noted[group_id] = deadline_ms
        heappush(self._heap, (deadline_ms, group_id))
        if self._heap[0] == (deadline_ms, group_id):
            self._set_timer()

    def close(self) -> None:
        """Nobody is called any more."""
        self._heap.clear()
        self._noted.clear()
        self._cancel_timer()

    def _set_timer(self) -> None:
        self._cancel_timer()
        if self._heap:
            delay_s = max(0, self._heap[0][0] - self._now_ms()) / 1000
            self._timer = self._loop.call_later(delay_s, self._run)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_put_off(self) -> bool:
        """True, with the timer set again, while the loop has to hear others first."""
        grace_s, now = self._grace_s(), self._loop.time()
        if grace_s <= 0:
            self._put_off_since = None
            return False
        if self._put_off_since is None:
            self._put_off_since = now
        left_s = self._put_off_since + _PUT_OFF_S_MAX - now
        if left_s <= 0:
            return False
        self._timer = self._loop.call_later(min(grace_s, left_s), self._run)
        return True

    def _run(self) -> None:
        if self._is_put_off():
            return
        now_ms = self._now_ms()
        while self._heap and self._heap[0][0] <= now_ms:
            deadline_ms, group_id = heappop(self._heap)
            # Else it is noted for an earlier time, or not at all.
            if self._noted.get(group_id) == deadline_ms:
                del self._noted[group_id]
                # Each on its own: what goes wrong in one group is not another's.
                self._loop.call_soon(self._on_due, group_id)
        self._set_timer()
