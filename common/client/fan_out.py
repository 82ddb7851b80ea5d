"""One list of results from the answers of several owners."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from common.ports.partitions import Refusal
from common.ports.unavailable import BackendUnavailable

ResultT = TypeVar("ResultT")


async def merge_results(
    begun: Sequence[tuple[Awaitable[list[ResultT]], list[int]]],
    missing: Mapping[int, Refusal],
    count: int,
    refused: Callable[[int, Refusal], ResultT],
) -> list[ResultT]:
    """The results of all owners in the order of what was asked, `count` of them.

    `begun` are their answers with the positions that each is about, `missing` positions about which
    nobody was asked. `refused` makes the result for a position and the reason why it has none.

    Raises:
        BackendUnavailable: from the only owner concerned, or where none of them answers.
    """
    answers = await asyncio.gather(*(one for one, _ in begun), return_exceptions=True)
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    if errors and len(errors) == len(answers):
        raise errors[0]
    results = {position: refused(position, why) for position, why in missing.items()}
    for (_, positions), answer in zip(begun, answers, strict=True):
        if isinstance(answer, BaseException):
            why = _lost(answer)
            results.update((position, refused(position, why)) for position in positions)
        else:
            results.update(zip(positions, answer, strict=True))
    return [results[position] for position in range(count)]


def _lost(error: BaseException) -> Refusal:
    if not isinstance(error, BackendUnavailable):
        raise error
    return Refusal.NO_RESPONSE
