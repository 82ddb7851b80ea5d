"""Conversions of records between message formats: one at a time in a thread, and counted.

Produce 0 to 2 and Fetch 0 to 3 open and inflate records. Several at once would not be faster, for
they hold the interpreter's lock, and would together inflate to gigabytes. So each waits for the
one before it, and what it inflates counts as in use while it runs: meanwhile connections receive
less.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

#: Told by a conversion how many bytes more it holds, from its thread.
Count = Callable[[int], None]


class Conversions:
    """Runs conversions in the order of the calls. One for the process."""

    def __init__(self, take: Count = lambda _: None, give: Count = lambda _: None) -> None:
        """`take` and `give` are called on the event loop, with bytes."""
        self._take = take
        self._give = give
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="convert")

    async def run(self, convert: Callable[[Count], T]) -> T:
        """Returns or raises what `convert` does, which is given a function to count bytes with.

        A caller that is cancelled does not stop it: its bytes count until it has ended.
        """
        await self._lock.acquire()
        loop = asyncio.get_running_loop()
        taken: list[int] = []

        def take(byte_count: int) -> None:
            taken.append(byte_count)
            self._take(byte_count)

        def on_done(done: "asyncio.Future[T]") -> None:
            self._give(sum(taken))
            self._lock.release()
            if not done.cancelled():
                # Looked at, for the caller may have gone.
                done.exception()

        def run() -> T:
            return convert(lambda byte_count: _call(loop, take, byte_count))

        running = loop.run_in_executor(self._thread, run)
        running.add_done_callback(on_done)
        return await asyncio.shield(running)


def _call(loop: asyncio.AbstractEventLoop, take: Count, byte_count: int) -> None:
    loop.call_soon_threadsafe(take, byte_count)
