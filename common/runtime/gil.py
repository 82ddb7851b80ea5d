"""Releasing Python's global interpreter lock (GIL) in threads that work on records.

The interpreter takes the GIL from a running thread only every 5 ms, and an event loop needs it
after each of its system calls. A thread that yields by itself hands it over within a millisecond.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

#: Long enough for a waiting thread to get the GIL.
_PAUSE_S: Final = 0.0001
#: Records between two pauses.
_PAUSE_AFTER: Final = 1024


def yield_gil() -> None:
    """Lets other threads run."""
    time.sleep(_PAUSE_S)


def yielding_gil(items: Iterable[T]) -> Iterator[T]:
    """Iterates over `items` in a thread, and yields the GIL before every 1,024th."""
    for number, item in enumerate(items, 1):
        if number % _PAUSE_AFTER == 0:
            yield_gil()
        yield item
