"""Retries of queries that an owner refused because the placement has changed.

The partition may have moved, or its new owner has not received the change yet. Both end within
milliseconds as a rule, so that clients see latency instead of an error.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from common.client.append.append_call import STALE
from common.client.leader_epochs import Query, has_client_epoch
from common.cluster.view import ClusterView
from common.ports.partitions import EpochEndOffset, FetchResult, OffsetResult, Refusal
from common.runtime.backoff import Backoff
from common.runtime.notifier import Notifier

ResultT = TypeVar("ResultT", FetchResult, OffsetResult, EpochEndOffset)

#: Sends all queries; the argument is how many milliseconds the owner may wait for data.
Send = Callable[[int], Awaitable[list[ResultT]]]

_EPOCH_REFUSALS: Final = (Refusal.FENCED_LEADER_EPOCH, Refusal.UNKNOWN_LEADER_EPOCH)

#: Time that a query without a wait for data may wait for its owner.
_WAIT_S_MIN: Final = 1.0

#: The first and the longest delay between two attempts while the view stays the same.
_RETRY_S_FIRST: Final = 0.02
_RETRY_S_MAX: Final = 0.5


class PlacementRetrier:
    """Call `view_changed` after each change of the view."""

    def __init__(self, view: ClusterView, *, hold_s: float) -> None:
        """No retry begins later than `hold_s` after the first stale refusal."""
        self._view = view
        self._hold_s = hold_s
        self._changes = Notifier()

    def view_changed(self) -> None:
        self._changes.notify_all()

    async def run(
        self, send: Send[ResultT], queries: Sequence[Query], *, max_wait_ms: int
    ) -> list[ResultT]:
        """Returns the results of `send`, which is repeated while an owner sees another placement.

        Refusals of a leader epoch that the client gave are results (KIP-320). Other stale refusals
        become NOT_OWNER when the time for retries is over.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        revision = self._view.revision
        results = await send(max_wait_ms)
        deadline, backoff = 0.0, Backoff(_RETRY_S_FIRST, _RETRY_S_MAX)
        while stale := self._stale(queries, results):
            now = loop.time()
            left_s = max(0.0, started + max_wait_ms / 1000 - now)
            deadline = deadline or now + min(self._hold_s, max(left_s, _WAIT_S_MIN))
            if now >= deadline:
                return _not_owned(results, stale)
            if self._view.revision == revision:
                await self._changes.wait(min(now + backoff.next_s(), deadline))
                left_s = max(0.0, started + max_wait_ms / 1000 - loop.time())
            revision = self._view.revision
            results = await send(int(left_s * 1000))
        return results

    def _stale(self, queries: Sequence[Query], results: Sequence[ResultT]) -> list[int]:
        """Returns the positions of results that will be different under another placement."""
        return [
            position
            for position, result in enumerate(results)
            if result.refusal is not None and self._is_stale(queries[position], result.refusal)
        ]

    def _is_stale(self, query: Query, refusal: Refusal) -> bool:
        if refusal not in STALE or (refusal in _EPOCH_REFUSALS and has_client_epoch(query)):
            return False
        placement = self._view.placement(*query.log)
        return placement is not None and self._view.member(placement.owner) is not None


def _not_owned(results: Sequence[ResultT], stale: Sequence[int]) -> list[ResultT]:
    refused = list(results)
    for position in stale:
        refused[position] = replace(refused[position], refusal=Refusal.NOT_OWNER)
    return refused
