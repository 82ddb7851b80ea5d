"""The pending appends of one log: their queue, their state and its timers."""

from asyncio import TimerHandle, get_running_loop
from collections import deque
from collections.abc import Callable
from operator import itemgetter
from typing import Final

from common.client.append.append_call import QueuedAppend
from common.client.append.pending_state import IN_FLIGHT, TRANSITIONS, PendingState
from common.ports.metadata import Placement
from common.ports.partitions import AppendResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from common.runtime.backoff import Backoff

#: The first and the longest delay before the next probe under the same placement.
_RETRY_S_FIRST: Final = 0.02
_RETRY_S_MAX: Final = 0.5


class PendingLog:
    """A log begins in the state DRAINING. `refusal` is the last that an owner sent.

    `waiting` are appends that were not sent, in order. `requeued` are pairs of append id and an
    append that the last owner rejected: they go first, by id.
    """

    __slots__ = (
        "_backoff",
        "_deadline",
        "_rejected_under",
        "_retry",
        "_retry_at",
        "log_id",
        "refusal",
        "requeued",
        "state",
        "waiting",
    )

    def __init__(self, log_id: LogId) -> None:
        self.log_id = log_id
        self.state = PendingState.DRAINING
        self.waiting: deque[QueuedAppend] = deque()
        self.requeued: list[tuple[int, QueuedAppend]] = []
        self.refusal = AppendResult(refusal=Refusal.NOT_OWNER)
        self._rejected_under: Placement | None = None
        self._retry_at = 0.0
        self._backoff = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX)
        self._retry: TimerHandle | None = None
        self._deadline: TimerHandle | None = None

    @property
    def is_in_flight(self) -> bool:
        """True if an owner has yet to respond to appends of this log."""
        return self.state in IN_FLIGHT

    @property
    def is_closed(self) -> bool:
        return self.state is PendingState.CLOSED

    def become(self, state: PendingState) -> None:
        """Changes the state. Raises `RuntimeError` if `TRANSITIONS` does not permit it."""
        if state not in TRANSITIONS[self.state]:
            raise RuntimeError(f"a pending log cannot go from {self.state.name} to {state.name}")
        self.state = state

    def on_rejected(self, result: AppendResult, placement: Placement | None) -> None:
        """Notes a rejection under `placement`, or under one that is not current any more (None)."""
        self.refusal = result
        if placement is None:
            return
        if placement != self._rejected_under:
            self._backoff.reset()
        self._rejected_under = placement
        self._retry_at = get_running_loop().time() + self._backoff.next_s()

    def backoff_s(self, placement: Placement) -> float:
        """Returns the delay before the next probe under `placement`, in seconds."""
        if placement != self._rejected_under:
            return 0.0
        return max(0.0, self._retry_at - get_running_loop().time())

    def restore_order(self) -> None:
        """Puts requeued appends before those that were never sent. Nothing may be in flight."""
        self.requeued.sort(key=itemgetter(0))
        while self.requeued:
            self.waiting.appendleft(self.requeued.pop()[1])

    def pop_all(self) -> list[QueuedAppend]:
        """Removes and returns all appends, in order."""
        self.restore_order()
        items = list(self.waiting)
        self.waiting.clear()
        return items

    def pop_matching(self, matches: Callable[[QueuedAppend], bool]) -> list[QueuedAppend]:
        """Removes and returns the appends for which `matches` is true, in order."""
        self.requeued.sort(key=itemgetter(0))
        popped = [item for _, item in self.requeued if matches(item)]
        popped += [item for item in self.waiting if matches(item)]
        self.requeued = [(sent, item) for sent, item in self.requeued if not matches(item)]
        self.waiting = deque(item for item in self.waiting if not matches(item))
        return popped

    def retry_in(self, delay_s: float, retry: Callable[[], None]) -> None:
        """Replaces the retry timer."""
        if self._retry is not None:
            self._retry.cancel()
        self._retry = get_running_loop().call_later(delay_s, retry)

    def set_deadline(self, timeout_s: float, expire: Callable[[], None]) -> None:
        """Calls `expire` after `timeout_s`, unless a deadline is set already."""
        if self._deadline is None:
            self._deadline = get_running_loop().call_later(timeout_s, expire)

    def cancel_timers(self) -> None:
        for timer in (self._retry, self._deadline):
            if timer is not None:
                timer.cancel()
        self._retry = self._deadline = None


class Probe:
    """Implements `AppendCallback` for the append whose response decides about the others."""

    __slots__ = ("_on_failure", "_on_result", "item", "pending", "placement")

    def __init__(
        self,
        pending: PendingLog,
        item: QueuedAppend,
        placement: Placement,
        on_result: "Callable[[Probe, AppendResult], None]",
        on_failure: "Callable[[Probe, BackendUnavailable], None]",
    ) -> None:
        """`item` has its caller's callback; `placement` is the one under which it is sent."""
        self.pending = pending
        self.item = item
        self.placement = placement
        self._on_result = on_result
        self._on_failure = on_failure

    def complete(self, _: int, result: AppendResult) -> None:
        self._on_result(self, result)

    def fail(self, _: int, error: BackendUnavailable) -> None:
        self._on_failure(self, error)
