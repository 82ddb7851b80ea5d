"""Conversions of records between message formats: one at a time in a thread, and counted.

Produce 0 to 2 and Fetch 0 to 3 open and inflate records. Several at once would not be faster, as
they hold the interpreter's lock, and could together inflate to gigabytes. So each waits for the
one before it, and the bytes it inflates count as memory in use while it runs, which makes
connections receive less.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

#: Called by a conversion, from its thread, with the number of bytes that it holds in addition.
ByteCounter = Callable[[int], None]


class Conversions:
    """Runs conversions in the order of the calls. One for the process."""

    def __init__(
        self, acquire: ByteCounter = lambda _: None, release: ByteCounter = lambda _: None
    ) -> None:
        """`acquire` and `release` are called on the event loop, with bytes."""
        self._acquire = acquire
        self._release = release
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="convert")

    async def run(self, convert: Callable[[ByteCounter], T]) -> T:
        """Returns or raises what `convert` does; `convert` is passed a `ByteCounter`.

        Cancelling the caller does not stop the conversion: its bytes count until it has ended.
        """
        await self._lock.acquire()
        loop = asyncio.get_running_loop()
        acquired: list[int] = []

        def acquire(byte_count: int) -> None:
            acquired.append(byte_count)
            self._acquire(byte_count)

        def on_done(done: "asyncio.Future[T]") -> None:
            self._release(sum(acquired))
            self._lock.release()
            if not done.cancelled():
                # Retrieves the exception, which asyncio would log if the caller was cancelled.
                done.exception()

        def run() -> T:
            return convert(lambda byte_count: _call(loop, acquire, byte_count))

        running = loop.run_in_executor(self._thread, run)
        running.add_done_callback(on_done)
        return await asyncio.shield(running)


def _call(loop: asyncio.AbstractEventLoop, acquire: ByteCounter, byte_count: int) -> None:
    loop.call_soon_threadsafe(acquire, byte_count)
