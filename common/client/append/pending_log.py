"""The appends of one log that are held, in order, and what is known of why."""

from asyncio import TimerHandle, get_running_loop
from collections import deque
from collections.abc import Callable
from operator import itemgetter
from typing import Final

from common.client.append.append_batch import Item
from common.ports.metadata import Placement
from common.ports.partitions import AppendResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from common.runtime.backoff import Backoff

#: How long an owner that refused is left alone, at first and at most, unless the placement changes.
_RETRY_S_FIRST: Final = 0.02
_RETRY_S_MAX: Final = 0.5


class HeldLog:
    """`waiting` are appends in their order. `returned` ones go before them, by append id.

    `is_out`: an owner has yet to answer appends of this log, `is_overdue`: for too long already.
    `refusal` is the last that was heard.
    """

    __slots__ = (
        "_backoff",
        "_deadline",
        "_refused_by",
        "_retry",
        "_retry_at",
        "is_out",
        "is_overdue",
        "log_id",
        "refusal",
        "returned",
        "waiting",
    )

    def __init__(self, log_id: LogId) -> None:
        self.log_id = log_id
        self.waiting: deque[Item] = deque()
        self.returned: list[tuple[int, Item]] = []
        self.is_out = False
        self.is_overdue = False
        self.refusal = AppendResult(refusal=Refusal.NOT_OWNER)
        self._refused_by: Placement | None = None
        self._retry_at = 0.0
        self._backoff = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX)
        self._retry: TimerHandle | None = None
        self._deadline: TimerHandle | None = None

    def refused(self, result: AppendResult, placement: Placement | None) -> None:
        """An owner refused, when asked under `placement`; None: under one that is past."""
        self.refusal = result
        if placement is None:
            return
        if placement != self._refused_by:
            self._backoff.reset()
        self._refused_by = placement
        self._retry_at = get_running_loop().time() + self._backoff.next_s()

    def pause_s(self, placement: Placement) -> float:
        """How long the owner of `placement` is to be left alone."""
        if placement != self._refused_by:
            return 0.0
        return max(0.0, self._retry_at - get_running_loop().time())

    def restore_order(self) -> None:
        """Puts what came back before what never left. Nothing may be out."""
        self.returned.sort(key=itemgetter(0))
        while self.returned:
            self.waiting.appendleft(self.returned.pop()[1])

    def take_all(self) -> list[Item]:
        """Everything held, in order; none is left."""
        self.restore_order()
        items = list(self.waiting)
        self.waiting.clear()
        return items

    def take(self, is_taken: Callable[[Item], bool]) -> list[Item]:
        """Takes out the appends for which `is_taken` is true, in order; the others stay."""
        self.returned.sort(key=itemgetter(0))
        returned = [item for _, item in self.returned if is_taken(item)]
        taken = returned + [item for item in self.waiting if is_taken(item)]
        self.returned = [(at, item) for at, item in self.returned if not is_taken(item)]
        self.waiting = deque(item for item in self.waiting if not is_taken(item))
        return taken

    def retry_in(self, pause_s: float, retry: Callable[[], None]) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._retry = get_running_loop().call_later(pause_s, retry)

    def set_deadline(self, hold_s: float, expire: Callable[[], None]) -> None:
        """`expire` is called `hold_s` after the first append that is held."""
        if self._deadline is None:
            self._deadline = get_running_loop().call_later(hold_s, expire)

    def cancel_timers(self) -> None:
        for timer in (self._retry, self._deadline):
            if timer is not None:
                timer.cancel()
        self._retry = self._deadline = None


class Probe:
    """Implements `Settler` for the first append to an owner: it decides over the rest."""

    __slots__ = ("_lost", "_settled", "held", "item", "placement")

    def __init__(
        self,
        held: HeldLog,
        item: Item,
        placement: Placement,
        settled: "Callable[[Probe, AppendResult], None]",
        lost: "Callable[[Probe, BackendUnavailable], None]",
    ) -> None:
        """`item` as it was held; `placement` is the one that it is sent under."""
        self.held = held
        self.item = item
        self.placement = placement
        self._settled = settled
        self._lost = lost

    def settle(self, _: int, result: AppendResult) -> None:
        self._settled(self, result)

    def lose(self, _: int, error: BackendUnavailable) -> None:
        self._lost(self, error)
