"""One long poll over the logs of several owners.

It ends as soon as all owners together have the requested bytes. Each owner waits on its own for a
share of the missing bytes: while n owners together have too few, at least one must gain an n-th of
them, and once it has, the rest is shared out again.

When one owner responds, the waits of the others are ended, and each responds with what it has, so
that an owner reads its partitions once. An owner that does not support the end of a wait (it is
older) is first queried without a wait, and a later wait is cancelled.

Refusals end the poll at once. A lost connection to an owner is reported with the data of the
others, or after a moment: otherwise the consumer would repeat its fetch in a busy loop.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from common.client.owner import OwnerConnection
from common.ports.partitions import FetchQuery, FetchResult, Refusal
from common.ports.unavailable import BackendUnavailable

#: The longest wait of a fetch that concerns an owner without a connection.
_LOST_WAIT_MS_MAX: Final = 500


class _OwnerFetch:
    """The part of the query for one owner, and the owner's newest results."""

    def __init__(self, owner: OwnerConnection, positions: list[int], query: FetchQuery) -> None:
        self.owner = owner
        self.positions = positions
        partitions = [query.partitions[at] for at in positions]
        self.query = replace(query, partitions=partitions, max_wait_ms=0, min_bytes=0)
        self.results = [FetchResult(refusal=Refusal.NO_RESPONSE)] * len(positions)
        self._end_of_wait: asyncio.Future[None] | None = None

    @property
    def byte_count(self) -> int:
        return sum(_size(result) for result in self.results)

    @property
    def is_refused(self) -> bool:
        return any(result.refusal is not None for result in self.results)

    async def send(self, *, max_wait_ms: int, min_bytes: int) -> None:
        """Replaces `results`; those of an owner that does not respond are NO_RESPONSE."""
        end_of_wait = asyncio.get_running_loop().create_future() if max_wait_ms else None
        self._end_of_wait = end_of_wait
        query = replace(
            self.query, max_wait_ms=max_wait_ms, min_bytes=min_bytes, end_of_wait=end_of_wait
        )
        try:
            self.results = await self.owner.fetch(query)
        except BackendUnavailable:
            self.results = [FetchResult(refusal=Refusal.NO_RESPONSE)] * len(self.positions)

    def end_wait(self) -> None:
        """Makes `send` return with what the owner has now."""
        if self._end_of_wait is not None and not self._end_of_wait.done():
            self._end_of_wait.set_result(None)


async def multi_fetch(
    query: FetchQuery,
    owners: Sequence[tuple[OwnerConnection, list[int]]],
    missing: Mapping[int, Refusal],
    lost: Sequence[int] = (),
) -> list[FetchResult]:
    """Returns results in the order of `query.partitions`.

    Args:
        query: the whole fetch.
        owners: connected owners with the positions of their partitions.
        missing: refusals for the positions that have no owner.
        lost: positions of owners without a connection.
    """
    fetches = [_OwnerFetch(owner, positions, query) for owner, positions in owners]
    left_ms = min(query.max_wait_ms, _LOST_WAIT_MS_MAX) if lost else query.max_wait_ms
    if missing:
        left_ms = 0
    ends_waits = all(owner.ends_waits for owner, _ in owners)
    missing_bytes = query.min_bytes
    if not ends_waits or missing_bytes <= 0 or left_ms <= 0:
        await asyncio.gather(*(fetch.send(max_wait_ms=0, min_bytes=0) for fetch in fetches))
        missing_bytes = _missing_bytes(query, fetches)
    await _wait(query, fetches, missing_bytes, left_ms, ends_waits=ends_waits)
    without_response = dict.fromkeys(lost, Refusal.NO_RESPONSE)
    return _in_order(query, fetches, {**missing, **without_response})


def _missing_bytes(query: FetchQuery, fetches: Sequence[_OwnerFetch]) -> int:
    """Returns how many bytes to wait for: 0 if a partition was refused, which ends the poll."""
    if any(fetch.is_refused for fetch in fetches):
        return 0
    return query.min_bytes - sum(fetch.byte_count for fetch in fetches)


async def _wait(
    query: FetchQuery,
    fetches: Sequence[_OwnerFetch],
    missing_bytes: int,
    left_ms: int,
    *,
    ends_waits: bool,
) -> None:
    """Polls until the owners together have enough bytes, or the time is up."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + left_ms / 1000
    while missing_bytes > 0 and left_ms > 0:
        if not fetches:
            await asyncio.sleep(left_ms / 1000)
            return
        await _wait_for_one(fetches, missing_bytes, left_ms, ends_waits=ends_waits)
        missing_bytes, before = _missing_bytes(query, fetches), missing_bytes
        if missing_bytes >= before:
            return  # an owner responded with less than it waited for: its limits permit no more
        left_ms = int((deadline - loop.time()) * 1000)


async def _wait_for_one(
    fetches: Sequence[_OwnerFetch], missing_bytes: int, left_ms: int, *, ends_waits: bool
) -> None:
    """Waits until one owner has its part of the missing bytes, or the time is up.

    With `ends_waits` the others respond too, with what they have.
    """
    part = -(-missing_bytes // len(fetches))
    waiting = [
        asyncio.create_task(fetch.send(max_wait_ms=left_ms, min_bytes=fetch.byte_count + part))
        for fetch in fetches
    ]
    try:
        _, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if ends_waits and pending:
            for fetch in fetches:
                fetch.end_wait()
            await asyncio.wait(pending)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _in_order(
    query: FetchQuery, fetches: Sequence[_OwnerFetch], missing: Mapping[int, Refusal]
) -> list[FetchResult]:
    """Returns all results, with the records cut to `max_bytes` of the whole response (KIP-74)."""
    results = {position: FetchResult(refusal=refusal) for position, refusal in missing.items()}
    for fetch in fetches:
        results.update(zip(fetch.positions, fetch.results, strict=True))
    remaining = query.max_bytes
    is_first = True
    for position in range(len(query.partitions)):
        size = _size(results[position])
        if not size:
            continue
        if size > remaining and not is_first:
            results[position] = replace(results[position], records=[])
            continue
        remaining -= size
        is_first = False
    return [results[position] for position in range(len(query.partitions))]


def _size(result: FetchResult) -> int:
    return sum(map(len, result.records))
