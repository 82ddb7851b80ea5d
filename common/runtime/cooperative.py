"""Much work for one request, a little at a time: neither its tasks nor its time pile up."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from time import perf_counter
from typing import Any, Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Calls that may wait at a time, as where a service does not answer.
_AT_ONCE: Final = 1000
#: Calls begun in one iteration of the event loop: about a millisecond of work.
_BEGUN_PER_TURN: Final = 50
#: Work that is done in one go.
_TURN_S: Final = 0.005


class Turns:
    """Lets others have their turn of the event loop where work takes long."""

    def __init__(self) -> None:
        self._since = perf_counter()

    async def pause(self) -> None:
        """Call it between small pieces of the work. Most calls do nothing."""
        if perf_counter() - self._since > _TURN_S:
            await asyncio.sleep(0)
            self._since = perf_counter()


async def map_cooperatively(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Returns the results of `function` for all items, in the order of the items."""
    turns = Turns()
    results: list[R] = []
    for item in items:
        results.append(function(item))
        await turns.pause()
    return results


async def gather_bounded(
    call: Callable[[T], Coroutine[Any, Any, R]], items: Iterable[T]
) -> list[R]:
    """What `call` returns for each item, in their order.

    The first error is raised when its turn comes; it and a cancellation end the other calls.
    """
    under_way: deque[asyncio.Task[R]] = deque()
    results: list[R] = []
    try:
        for number, item in enumerate(items, 1):
            if len(under_way) >= _AT_ONCE:
                results.append(await under_way[0])
                under_way.popleft()
            under_way.append(asyncio.create_task(call(item)))
            if number % _BEGUN_PER_TURN == 0:
                await asyncio.sleep(0)
        while under_way:
            results.append(await under_way[0])
            under_way.popleft()
    finally:
        for task in under_way:
            task.cancel()
    return results
