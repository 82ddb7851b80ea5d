"""The deadlines of many groups, on one timer of the event loop."""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

#: The longest postponement of a deadline by a loop that is always late.
_POSTPONED_S_MAX: Final = 10.0


class DeadlineQueue:
    """Calls `on_due(group_id)` at a group's deadline, or earlier.

    It calls late only if the loop was busy: then requests that wait in sockets come first. A
    deadline that is postponed, as by every heartbeat, costs nothing: the group is called at the
    deadline that was scheduled first, and then schedules the next one.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        on_due: Callable[[str], None],
        *,
        grace_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`grace_s` returns the current postponement of all deadlines (`LoopLag.grace_s`)."""
        self._now_ms = now_ms
        self._grace_s = grace_s
        self._postponed_since: float | None = None
        self._on_due = on_due
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[int, str]] = []
        self._scheduled: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def schedule(self, group_id: str, deadline_ms: int | None) -> None:
        """Sets the deadline of a group; None cancels it."""
        if deadline_ms is None:
            self._scheduled.pop(group_id, None)
            return
        scheduled = self._scheduled.get(group_id)
        if scheduled is not None and scheduled <= deadline_ms:
            return
        self._scheduled[group_id] = deadline_ms
        heappush(self._heap, (deadline_ms, group_id))
        if self._heap[0] == (deadline_ms, group_id):
            self._set_timer()

    def close(self) -> None:
        """Cancels all deadlines."""
        self._heap.clear()
        self._scheduled.clear()
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

    def _is_postponed(self) -> bool:
        """True, with the timer set again, while the loop has to read its sockets first."""
        grace_s, now = self._grace_s(), self._loop.time()
        if grace_s <= 0:
            self._postponed_since = None
            return False
        if self._postponed_since is None:
            self._postponed_since = now
        left_s = self._postponed_since + _POSTPONED_S_MAX - now
        if left_s <= 0:
            return False
        self._timer = self._loop.call_later(min(grace_s, left_s), self._run)
        return True

    def _run(self) -> None:
        if self._is_postponed():
            return
        now_ms = self._now_ms()
        while self._heap and self._heap[0][0] <= now_ms:
            deadline_ms, group_id = heappop(self._heap)
            # Otherwise an earlier deadline has been scheduled, or none.
            if self._scheduled.get(group_id) == deadline_ms:
                del self._scheduled[group_id]
                # In a callback of its own: an exception of one group does not affect others.
                self._loop.call_soon(self._on_due, group_id)
        self._set_timer()
