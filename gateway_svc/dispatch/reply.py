"""Replies of the dispatcher: the bytes of a response, or the work that will produce them.

A request runs in one of three modes:

* overlapping (`PendingResponse`): it has started, and later requests of the connection may start
  before it is done;
* deferred (`Deferred`): it starts when all earlier responses have been sent, and later requests
  wait until its own has been sent;
* exclusive (`Deferred` whose `start` returns a `TaskResponse`): deferred, and run as a task.
"""

import asyncio
from asyncio import Future
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

#: A response with its length in front, as pieces that are sent one after the other.
Parts = list[bytes | memoryview]

#: `timeout_ms` of a response that is waited for as long as the connection lives.
NO_TIMEOUT_MS: Final = 1 << 40


class Disconnect(Exception):
    """Raised when the connection must be closed in place of a response; the text is the reason."""


class PendingResponse:
    """The response to a request that has started.

    `finish` is called once `future` is done; `expire` is called instead if `timeout_ms` passes
    first. Both return the response, or None if the client expects none, or raise `Disconnect`.
    """

    __slots__ = ("future", "timeout_ms")

    future: Future[Any]
    timeout_ms: int

    def finish(self) -> Parts | None:
        raise NotImplementedError

    def expire(self) -> Parts | None:
        raise NotImplementedError

    def abandon(self) -> None:
        """Called when the client has disconnected. By default the started work continues."""


class TaskResponse(PendingResponse):
    """The response that a coroutine returns. It has no timeout, and ends with its client."""

    __slots__ = ()

    future: "asyncio.Task[Parts | None]"

    def __init__(self, run: Coroutine[Any, Any, Parts | None]) -> None:
        """`run` may raise `Disconnect`."""
        self.future = asyncio.get_running_loop().create_task(run)
        self.timeout_ms = NO_TIMEOUT_MS

    def finish(self) -> Parts | None:
        if self.future.cancelled():
            raise Disconnect("its request was cancelled")
        return self.future.result()

    def abandon(self) -> None:
        self.future.cancel()


class Deferred:
    """A request that has its connection to itself, from its start until its response is sent."""

    __slots__ = ("start",)

    def __init__(self, start: "Callable[[], Reply]") -> None:
        """`start` is called at most once, when all earlier responses have been sent."""
        self.start = start


#: A response that is ready (None: the client expects none), or a request in one of three modes.
Reply: TypeAlias = Parts | PendingResponse | Deferred | None
