"""One long poll over the logs of several owners.

It is answered as soon as all owners together have the bytes that were asked for. Each owner waits
on its own, so it is asked for its part of what is missing: while together they have too little,
at least one of n owners must gain an n-th of it, and when one has, the rest is shared out anew.

When one owner answers, the waits of the others are ended: each then answers with what is there, so
that an owner reads its partitions once. An owner that does not know how to end a wait is first
asked without one, and its wait is cancelled (a gateway may be newer than an owner).

A refusal is told at once. That there is no connection to an owner is told with the others' data, or
after a moment: a consumer would ask again and again meanwhile.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from common.client.owner import OwnerConnection
from common.ports.partitions import FetchQuery, FetchResult, Refusal
from common.ports.unavailable import BackendUnavailable

#: How long a fetch waits at most that concerns an owner to which there is no connection.
_LOST_WAIT_MS_MAX: Final = 500


class _Share:
    """One owner's part of the query, and the newest answer to it."""

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

    async def ask(self, *, max_wait_ms: int, min_bytes: int) -> None:
        """Raises nothing: an owner that is not there has the refusal NO_RESPONSE."""
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
        """Has `ask` return with what the owner has now."""
        if self._end_of_wait is not None and not self._end_of_wait.done():
            self._end_of_wait.set_result(None)


async def multi_fetch(
    query: FetchQuery,
    owners: Sequence[tuple[OwnerConnection, list[int]]],
    missing: Mapping[int, Refusal],
    lost: Sequence[int] = (),
) -> list[FetchResult]:
    """Results in the order of `query.partitions`; `owners` come with the positions they have.

    `missing` are positions that nobody is asked about, and what to say of them. `lost` are those of
    owners to which there is no connection.
    """
    shares = [_Share(owner, positions, query) for owner, positions in owners]
    left_ms = min(query.max_wait_ms, _LOST_WAIT_MS_MAX) if lost else query.max_wait_ms
    if missing:
        left_ms = 0
    ends_waits = all(owner.ends_waits for owner, _ in owners)
    lacking = query.min_bytes
    if not ends_waits or lacking <= 0 or left_ms <= 0:
        await asyncio.gather(*(share.ask(max_wait_ms=0, min_bytes=0) for share in shares))
        lacking = _lacking(query, shares)
    await _wait(query, shares, lacking, left_ms, ends_waits=ends_waits)
    unanswered = dict.fromkeys(lost, Refusal.NO_RESPONSE)
    return _in_order(query, shares, {**missing, **unanswered})


def _lacking(query: FetchQuery, shares: Sequence[_Share]) -> int:
    """Bytes to wait for; none where somebody refuses, which is told at once."""
    if any(share.is_refused for share in shares):
        return 0
    return query.min_bytes - sum(share.byte_count for share in shares)


async def _wait(
    query: FetchQuery, shares: Sequence[_Share], lacking: int, left_ms: int, *, ends_waits: bool
) -> None:
    """Asks until the owners together have enough, or the time is up."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + left_ms / 1000
    while lacking > 0 and left_ms > 0:
        if not shares:
            await asyncio.sleep(left_ms / 1000)
            return
        await _wait_for_one(shares, lacking, left_ms, ends_waits=ends_waits)
        lacking, before = _lacking(query, shares), lacking
        if lacking >= before:
            return  # an owner answered with less than it was to wait for: no more fits its limits
        left_ms = int((deadline - loop.time()) * 1000)


async def _wait_for_one(
    shares: Sequence[_Share], lacking: int, left_ms: int, *, ends_waits: bool
) -> None:
    """Until one owner has its part of what is lacking, or the time is up.

    With `ends_waits` the others answer too, with what they have.
    """
    part = -(-lacking // len(shares))
    waiting = [
        asyncio.create_task(share.ask(max_wait_ms=left_ms, min_bytes=share.byte_count + part))
        for share in shares
    ]
    try:
        _, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if ends_waits and pending:
            for share in shares:
                share.end_wait()
            await asyncio.wait(pending)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _in_order(
    query: FetchQuery, shares: Sequence[_Share], missing: Mapping[int, Refusal]
) -> list[FetchResult]:
    """All results, with no more records than the whole answer may have (KIP-74)."""
    results = {position: FetchResult(refusal=why) for position, why in missing.items()}
    for share in shares:
        results.update(zip(share.positions, share.results, strict=True))
    room = query.max_bytes
    is_first = True
    for position in range(len(query.partitions)):
        size = _size(results[position])
        if not size:
            continue
        if size > room and not is_first:
            results[position] = replace(results[position], records=[])
            continue
        room -= size
        is_first = False
    return [results[position] for position in range(len(query.partitions))]


def _size(result: FetchResult) -> int:
    return sum(map(len, result.records))
