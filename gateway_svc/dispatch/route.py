"""An API and what answers it, paired so that the type checker checks that they fit."""

from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias

from gateway_svc.dispatch.context import Backends, ConnectionContext, RequestContext
from gateway_svc.dispatch.reply import Pending
from gateway_svc.wire.api import Api, RequestT, ResponseT
from gateway_svc.wire.envelope import Encoded


class Started(Generic[ResponseT]):
    """A request whose work is under way, so that the connection's next one may start.

    `respond` is called once `future` is done. It gives the response, its bytes where they are known
    already, or None where the client expects none; and raises `Disconnect` where such a client must
    learn of an error.
    """

    __slots__ = ("future", "timeout_ms")

    future: "Future[Any]"
    timeout_ms: int

    def respond(self) -> ResponseT | Encoded | None:
        raise NotImplementedError

    def abandon(self) -> None:
        """The client left: nobody will call `respond`."""


class Alone(Generic[ResponseT]):
    """A request that turned out to need the connection for itself: `run` answers it."""

    __slots__ = ("run",)

    def __init__(self, run: Callable[[], Awaitable[ResponseT | Encoded | None]]) -> None:
        self.run = run


#: Starts a request from its frame where that is of the usual shape; None: it is to be decoded.
Shortcut: TypeAlias = Callable[[bytes, ConnectionContext], Pending | None]


@dataclass(frozen=True, slots=True)
class Route:
    """`is_task`: `handle` is a coroutine function; else it says itself how it goes on.

    `may_overlap`: the connection's next request may start meanwhile. `is_answered` tells the
    requests that expect a response; None where all do. `shortcuts` makes, by version, what does the
    same as `handle` for the requests that it takes.
    """

    api: Api[Any, Any]
    handle: Callable[[Any, RequestContext], Any]
    is_task: bool = True
    may_overlap: bool = False
    is_answered: Callable[[Any], bool] | None = None
    shortcuts: "Callable[[Route, Backends], Mapping[int, Shortcut]] | None" = None


def route(
    api: Api[RequestT, ResponseT],
    handle: Callable[[RequestT, RequestContext], Awaitable[ResponseT]],
) -> Route:
    """A request of this API has its connection for itself until it is answered."""
    return Route(api, handle)


def overlapping_route(
    api: Api[RequestT, ResponseT],
    start: Callable[
        [RequestT, RequestContext], ResponseT | Started[ResponseT] | Alone[ResponseT] | None
    ],
    *,
    is_answered: Callable[[RequestT], bool],
    shortcuts: Callable[[Route, Backends], Mapping[int, Shortcut]] | None = None,
) -> Route:
    """The next request of the connection may start while this one is under way."""
    return Route(api, start, False, True, is_answered, shortcuts)


def started_route(
    api: Api[RequestT, ResponseT],
    start: Callable[[RequestT, RequestContext], ResponseT | Started[ResponseT]],
) -> Route:
    """As `route`, for requests that are so many that a task for each would cost too much."""
    return Route(api, start, is_task=False)
