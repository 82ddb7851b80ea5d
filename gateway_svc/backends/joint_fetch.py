"""One long poll over the logs of several owners.

It is answered as soon as all owners together have the bytes that were asked for. Each owner waits
on its own, so it is asked for its part of what is missing: while together they have too little,
at least one of n owners must gain an n-th of it, and when one has, the rest is shared out anew.

A refusal is told at once. That there is no connection to an owner is told with the others' data, or
after a moment: a consumer would ask again and again meanwhile.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from common.ports.partitions import FetchQuery, FetchResult, Partitions, Refusal
from common.ports.unavailable import BackendUnavailable

#: How long a fetch waits at most that concerns an owner to which there is no connection.
_LOST_WAIT_MS_MAX: Final = 500


class _Share:
    """One owner's part of the query, and the newest answer to it."""

    def __init__(self, owner: Partitions, positions: list[int], query: FetchQuery) -> None:
        self.owner = owner
        self.positions = positions
        partitions = [query.partitions[at] for at in positions]
        self.query = replace(query, partitions=partitions, max_wait_ms=0, min_bytes=0)
        self.results = [FetchResult(refusal=Refusal.NO_ANSWER)] * len(positions)

    @property
    def byte_count(self) -> int:
        return sum(_size(result) for result in self.results)

    @property
    def is_refused(self) -> bool:
        return any(result.refusal is not None for result in self.results)

    async def ask(self, *, max_wait_ms: int, min_bytes: int) -> None:
        """Raises nothing: an owner that is not there has the refusal NO_ANSWER."""
        query = replace(self.query, max_wait_ms=max_wait_ms, min_bytes=min_bytes)
        try:
            self.results = await self.owner.fetch(query)
        except BackendUnavailable:
            self.results = [FetchResult(refusal=Refusal.NO_ANSWER)] * len(self.positions)


async def joint_fetch(
    query: FetchQuery,
    owners: Sequence[tuple[Partitions, list[int]]],
    missing: Mapping[int, Refusal],
    lost: Sequence[int] = (),
) -> list[FetchResult]:
    """Results in the order of `query.partitions`; `owners` come with the positions they have.

    `missing` are positions that nobody is asked about, and what to say of them. `lost` are those of
    owners to which there is no connection.
    """
    shares = [_Share(owner, positions, query) for owner, positions in owners]
    await asyncio.gather(*(share.ask(max_wait_ms=0, min_bytes=0) for share in shares))
    wait_ms = min(query.max_wait_ms, _LOST_WAIT_MS_MAX) if lost else query.max_wait_ms
    deadline = asyncio.get_running_loop().time() + wait_ms / 1000
    lacking = 0 if missing else _lacking(query, shares)
    while lacking > 0:
        left_ms = int((deadline - asyncio.get_running_loop().time()) * 1000)
        if left_ms <= 0:
            break
        if not shares:
            await asyncio.sleep(left_ms / 1000)
            break
        await _wait_for_one(shares, lacking, left_ms)
        lacking, before = _lacking(query, shares), lacking
        if lacking >= before:
            break  # an owner answered with less than it was to wait for: no more fits its limits
    unanswered = dict.fromkeys(lost, Refusal.NO_ANSWER)
    return _in_order(query, shares, {**missing, **unanswered})


def _lacking(query: FetchQuery, shares: Sequence[_Share]) -> int:
    """Bytes to wait for; none where somebody refuses, which is told at once."""
    if any(share.is_refused for share in shares):
        return 0
    return query.min_bytes - sum(share.byte_count for share in shares)


async def _wait_for_one(shares: Sequence[_Share], lacking: int, left_ms: int) -> None:
    """Until one owner has its part of what is lacking, or the time is up."""
    part = -(-lacking // len(shares))
    waiting = [
        asyncio.create_task(share.ask(max_wait_ms=left_ms, min_bytes=share.byte_count + part))
        for share in shares
    ]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
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
