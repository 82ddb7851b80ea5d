"""One thread for work on the records of large batches, which would stop the event loop."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")

#: Long enough that a thread which waits for Python's lock gets it.
_PAUSE_S: Final = 0.0001


def pause() -> None:
    """Lets the event loop run. For a thread: it would keep Python's lock for 5 ms at a time."""
    time.sleep(_PAUSE_S)


class RecordThread:
    """Runs one piece of work after the other."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """Returns what `work` returns, or raises what it raises. It should call `pause` often."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        """Waits for the work that has begun, and drops the rest."""
        self._executor.shutdown(cancel_futures=True)
