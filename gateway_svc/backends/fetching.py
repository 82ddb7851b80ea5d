"""One long poll over several owners: answered as soon as all of them together have enough.

No owner knows how much the others have, so each is asked twice at most: first what it has now,
then, where that is not enough, to wait. The first owner whose wait ends ends the others', and
everybody is asked once more for what there is.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from common.ports.partitions import FetchPartition, FetchQuery, FetchResult, Partitions

Part = tuple[Partitions, list[FetchPartition]]


async def fetch_from_all(
    parts: Sequence[Part], query: FetchQuery, *, may_wait: bool
) -> list[list[FetchResult]]:
    """One list of results for each part. Raises `BackendUnavailable` where one does not answer.

    `max_bytes` holds for all owners together, but for what one partition gives beyond it.
    """
    deadline = _now() + query.max_wait_ms / 1000
    while True:
        answers = await _what_is_there(parts, query)
        left_ms = int((deadline - _now()) * 1000)
        if not may_wait or left_ms <= 0 or _is_enough(answers, query.min_bytes):
            return answers
        await _until_one_has_more(parts, answers, replace(query, max_wait_ms=left_ms))


async def _what_is_there(parts: Sequence[Part], query: FetchQuery) -> list[list[FetchResult]]:
    now = replace(query, max_wait_ms=0)
    answers = await asyncio.gather(
        *(partitions.fetch(replace(now, partitions=asked)) for partitions, asked in parts)
    )
    _limit(answers, query.max_bytes)
    return answers


def _limit(answers: Sequence[list[FetchResult]], bytes_max: int) -> None:
    """Each owner kept to the limit for itself. What is too much is left for the next fetch."""
    left = bytes_max
    for answer in answers:
        for one in answer:
            if left <= 0:
                one.records = []
            left -= sum(map(len, one.records))


async def _until_one_has_more(
    parts: Sequence[Part], answers: Sequence[list[FetchResult]], query: FetchQuery
) -> None:
    """Waits until one owner has one byte more than it answered, or the time is up."""
    waits = [
        asyncio.ensure_future(
            partitions.fetch(replace(query, partitions=asked, min_bytes=_size(answer) + 1))
        )
        for (partitions, asked), answer in zip(parts, answers, strict=True)
    ]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


def _is_enough(answers: Sequence[list[FetchResult]], min_bytes: int) -> bool:
    refused = any(one.refusal is not None for answer in answers for one in answer)
    return refused or sum(map(_size, answers)) >= min_bytes


def _size(answer: Sequence[FetchResult]) -> int:
    return sum(len(chunk) for one in answer for chunk in one.records)


def _now() -> float:
    return asyncio.get_running_loop().time()
