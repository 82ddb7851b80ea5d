"""Pauses of threads that work on records, so that the event loop gets Python's lock.

The interpreter takes the lock away from a thread only every 5 ms, and an event loop asks for it
after each of its system calls. A thread that pauses by itself gives it back within a millisecond.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

#: Long enough that a thread which waits for the lock gets it.
_PAUSE_S: Final = 0.0001
#: Records that are worked on between two pauses.
_PAUSE_AFTER: Final = 1024


def pause() -> None:
    """Lets other threads run."""
    time.sleep(_PAUSE_S)


def pausing(items: Iterable[T]) -> Iterator[T]:
    """The items, with a pause before every 1,024th. For threads."""
    for number, item in enumerate(items, 1):
        if number % _PAUSE_AFTER == 0:
            pause()
        yield item
