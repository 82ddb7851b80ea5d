"""Many small calls for one request, a few at a time: neither their tasks nor their time pile up."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Calls that may wait at a time, as where a service does not answer.
_AT_ONCE: Final = 1000
#: After so many are begun others get their turn of the event loop: about a millisecond.
_BEGUN_PER_TURN: Final = 50


async def in_turns(call: Callable[[T], Coroutine[Any, Any, R]], items: Iterable[T]) -> list[R]:
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
