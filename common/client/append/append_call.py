"""Appends on their way to an owner, and the call that collects their results."""

import asyncio
from asyncio import Future
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from common.ports.metadata import Placement
from common.ports.partitions import Append, AppendResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable

#: Refusals of an owner that sees another placement than this process does: one of the two has not
#: received a change yet. All other refusals concern the request and would be the same everywhere.
STALE: Final = frozenset(
    {
        Refusal.NOT_OWNER,
        Refusal.MOVING,
        Refusal.FENCED_LEADER_EPOCH,
        Refusal.UNKNOWN_LEADER_EPOCH,
        Refusal.UNKNOWN_TOPIC_OR_PARTITION,
    }
)

OnDrained = Callable[[], None]


class AppendCallback(Protocol):
    """Receives the outcome of appends; exactly one of its methods is called for each."""

    def complete(self, position: int, result: AppendResult) -> None: ...

    def fail(self, position: int, error: BackendUnavailable) -> None:
        """Reports that the owner did not respond: the append may have been stored or not."""
        ...


class QueuedAppend(NamedTuple):
    """One append of a call on its way to an owner."""

    append: Append
    acks: int
    callback: AppendCallback
    position: int  # of its result in the call
    since: float  # loop time at which it was queued for the owner

    @property
    def size(self) -> int:
        return len(self.append.batch)


def with_placement(placement: Placement, item: QueuedAppend) -> QueuedAppend:
    """Returns `item` as it is queued now for the owner that `placement` names."""
    item.append.leader_epoch = placement.leader_epoch
    return item._replace(since=asyncio.get_running_loop().time())


class RejectHandler(Protocol):
    """Handles appends that an owner rejected for a stale placement, and the loss of an owner."""

    def requeue(
        self, owner: "AppendChannel", append_id: int, item: QueuedAppend, result: AppendResult
    ) -> None:
        """Takes responsibility for `item`. `append_id` grows in the order of sending."""
        ...

    def on_owner_lost(self, name: str, lost: Sequence[QueuedAppend]) -> None:
        """Called when a connection broke: another process may own the name from now on.

        `lost` are the appends without a response, in order. Their callbacks are called afterwards.
        """
        ...


class AppendChannel(Protocol):
    """An ordered channel for appends to one owner."""

    @property
    def is_lost(self) -> bool:
        """True if there is no connection, and none is expected within moments."""
        ...

    def send(self, *items: QueuedAppend) -> None: ...

    def notify_when_drained(self, log: LogId, on_drained: OnDrained) -> bool:
        """Returns True if appends of `log` have no response yet.

        `on_drained` is called once, after the last response. Until then the caller must send
        nothing more for `log`.
        """
        ...


_NO_RESULT: Final = AppendResult()


class AppendCall:
    """The appends of one call: `future` is done when each has its result, in their order.

    Appends without a response have the refusal NO_RESPONSE; if that is all of them, the future
    raises `BackendUnavailable`.
    """

    __slots__ = ("_failed", "_remaining", "_results", "future")

    def __init__(self, count: int) -> None:
        self.future: Future[list[AppendResult]] = asyncio.get_running_loop().create_future()
        self._results = [_NO_RESULT] * count
        self._remaining = count
        self._failed = 0
        if not count:
            self.future.set_result([])

    def complete(self, position: int, result: AppendResult) -> None:
        """Sets the result at `position`."""
        self._results[position] = result
        self._remaining -= 1
        if not self._remaining and not self.future.done():
            self.future.set_result(self._results)

    def fail(self, position: int, error: BackendUnavailable) -> None:
        """Sets NO_RESPONSE at `position`."""
        self._failed += 1
        if self._failed == len(self._results) and not self.future.done():
            self.future.set_exception(error)
        self.complete(position, AppendResult(refusal=Refusal.NO_RESPONSE, message=str(error)))
