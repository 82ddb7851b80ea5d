"""Merges the responses of several owners into one list of results."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from common.ports.partitions import Refusal
from common.ports.unavailable import BackendUnavailable

ResultT = TypeVar("ResultT")


async def merge_results(
    requests: Sequence[tuple[Awaitable[list[ResultT]], list[int]]],
    missing: Mapping[int, Refusal],
    count: int,
    refused: Callable[[int, Refusal], ResultT],
) -> list[ResultT]:
    """Returns the results for all positions from 0 to `count`, in their order.

    Args:
        requests: awaitable responses of owners, each with the positions of its results.
        missing: refusals for the positions that were sent to no owner.
        count: the number of positions.
        refused: makes the result for a position and a refusal.

    Raises:
        BackendUnavailable: no owner responded.
    """
    responses = await asyncio.gather(*(request for request, _ in requests), return_exceptions=True)
    errors = [response for response in responses if isinstance(response, BaseException)]
    if errors and len(errors) == len(responses):
        raise errors[0]
    results = {position: refused(position, refusal) for position, refusal in missing.items()}
    for (_, positions), response in zip(requests, responses, strict=True):
        if isinstance(response, BaseException):
            refusal = _refusal_of(response)
            results.update((position, refused(position, refusal)) for position in positions)
        else:
            results.update(zip(positions, response, strict=True))
    return [results[position] for position in range(count)]


def _refusal_of(error: BaseException) -> Refusal:
    """Returns NO_RESPONSE; raises an error that is not `BackendUnavailable` again."""
    if not isinstance(error, BackendUnavailable):
        raise error
    return Refusal.NO_RESPONSE
