"""Appends on their way to an owner, and where their results are gathered."""

import asyncio
from asyncio import Future
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from common.ports.metadata import Placement
from common.ports.partitions import Append, AppendResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable

#: The owner sees the placement differently than we do: one of the two has not heard of a change.
#: The other refusals are about what was asked, and would be the same everywhere.
STALE: Final = frozenset(
    {
        Refusal.NOT_OWNER,
        Refusal.MOVING,
        Refusal.FENCED_LEADER_EPOCH,
        Refusal.UNKNOWN_LEADER_EPOCH,
        Refusal.UNKNOWN_TOPIC_OR_PARTITION,
    }
)

Tell = Callable[[], None]


class Settler(Protocol):
    """Takes what became of appends, each once: a result, or that there is none."""

    def settle(self, position: int, result: AppendResult) -> None: ...

    def lose(self, position: int, error: BackendUnavailable) -> None:
        """It is not known whether it was stored."""
        ...


class Item(NamedTuple):
    """One append on its way."""

    append: Append
    acks: int
    settler: Settler
    position: int  # of its result
    since: float  # when it was handed to the owner's sender, in loop time

    @property
    def size(self) -> int:
        return len(self.append.batch)


def under(placement: Placement, item: Item) -> Item:
    """The item as it is sent, now, to the owner that `placement` names."""
    item.append.leader_epoch = placement.leader_epoch
    return item._replace(since=asyncio.get_running_loop().time())


class AppendTaker(Protocol):
    """Takes appends back that an owner refused because one of us is behind."""

    def take_back(
        self, owner: "AppendPath", append_id: int, item: Item, result: AppendResult
    ) -> None:
        """`append_id` grows with the order in which the owner was sent its appends."""
        ...

    def owner_lost(self, name: str, lost: Sequence[Item]) -> None:
        """The connection broke: the owner may be another process from now on.

        `lost` are the appends without an answer, in order. Their settlers are called afterwards.
        """
        ...


class AppendPath(Protocol):
    """The way of appends to one owner, in order."""

    @property
    def is_lost(self) -> bool:
        """Whether there is no connection, and none can be expected in a moment."""
        ...

    def send(self, *items: Item) -> None: ...

    def when_answered(self, log: LogId, tell: Tell) -> bool:
        """Whether appends of `log` have no answer yet; `tell` is called once when they have.

        Meanwhile nothing more may be sent for `log`.
        """
        ...


_UNANSWERED: Final = AppendResult()


class Submission:
    """The appends of one call: `future` is done when each has its result, in their order.

    Appends without an answer have the refusal NO_RESPONSE; where that is all of them, the future
    raises `BackendUnavailable`.
    """

    __slots__ = ("_lost", "_remaining", "_results", "future")

    def __init__(self, count: int) -> None:
        self.future: Future[list[AppendResult]] = asyncio.get_running_loop().create_future()
        self._results = [_UNANSWERED] * count
        self._remaining = count
        self._lost = 0
        if not count:
            self.future.set_result([])

    def settle(self, position: int, result: AppendResult) -> None:
        self._results[position] = result
        self._remaining -= 1
        if not self._remaining and not self.future.done():
            self.future.set_result(self._results)

    def lose(self, position: int, error: BackendUnavailable) -> None:
        self._lost += 1
        if self._lost == len(self._results) and not self.future.done():
            self.future.set_exception(error)
        self.settle(position, AppendResult(refusal=Refusal.NO_RESPONSE, message=str(error)))
