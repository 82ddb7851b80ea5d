"""Much work for one request in small steps, so that neither tasks nor loop time pile up."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from time import perf_counter
from typing import Any, Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Calls that may be in flight at a time, for instance to a service that does not respond.
_IN_FLIGHT_MAX: Final = 1000
#: Calls started in one iteration of the event loop: about a millisecond of work.
_STARTED_PER_ITERATION: Final = 50
#: Work done in one iteration of the event loop.
_SLICE_S: Final = 0.005


class TimeSlice:
    """Yields to the event loop each time that 5 ms of work are done."""

    def __init__(self) -> None:
        self._since = perf_counter()

    async def checkpoint(self) -> None:
        """Yields if the slice is used up; must be awaited between small pieces of the work."""
        if perf_counter() - self._since > _SLICE_S:
            await asyncio.sleep(0)
            self._since = perf_counter()


async def map_cooperatively(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Returns the results of `function` for all items, in the order of the items."""
    time_slice = TimeSlice()
    results: list[R] = []
    for item in items:
        results.append(function(item))
        await time_slice.checkpoint()
    return results


async def gather_bounded(
    call: Callable[[T], Coroutine[Any, Any, R]], items: Iterable[T]
) -> list[R]:
    """Awaits `call` for all items, at most 1,000 at a time; returns the results in their order.

    The first error, in the order of the items, is raised. It or a cancellation cancels all calls.
    """
    in_flight: deque[asyncio.Task[R]] = deque()
    results: list[R] = []
    try:
        for number, item in enumerate(items, 1):
            if len(in_flight) >= _IN_FLIGHT_MAX:
                results.append(await in_flight[0])
                in_flight.popleft()
            in_flight.append(asyncio.create_task(call(item)))
            if number % _STARTED_PER_ITERATION == 0:
                await asyncio.sleep(0)
        while in_flight:
            results.append(await in_flight[0])
            in_flight.popleft()
    finally:
        for task in in_flight:
            task.cancel()
    return results
