"""What becomes of a request, as the connection that sent it sees it."""

from asyncio import Future
from typing import Any

#: A response with its length in front, as pieces that are sent one after the other.
Parts = list[bytes | memoryview]


class Disconnect(Exception):
    """The only answer is to close the connection; the text says why."""


class Pending:
    """An answer under way; later requests of the connection may start meanwhile.

    `finish` is called once `future` is done, `expire` in its place where `timeout_ms` passed
    first. Both give the answer, None where the client expects none, or raise `Disconnect`.
    """

    __slots__ = ("future", "timeout_ms")

    future: Future[Any]
    timeout_ms: int

    def finish(self) -> Parts | None:
        raise NotImplementedError

    def expire(self) -> Parts | None:
        raise NotImplementedError

    def abandon(self) -> None:
        """The client left. What the request has begun may go on, unless it says otherwise."""


class Exclusive:
    """A request that runs alone: after all earlier ones are answered, and before any later one.

    Cancelling `run` ends it where the client left. It may raise `Disconnect`.
    """

    __slots__ = ()

    async def run(self) -> Parts | None:
        raise NotImplementedError


class InTurn:
    """As `Exclusive`, for a request that needs no task of its own: it only waits for a future."""

    __slots__ = ()

    def start(self) -> Parts | Pending | Exclusive | None:
        """Called when its turn has come; later requests wait for what it gives."""
        raise NotImplementedError


#: An answer at once (None: there is none), or one of the three ways to get there.
Reply = Parts | Pending | Exclusive | InTurn | None
