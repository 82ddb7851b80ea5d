"""Routes: an API with its handler, paired so that the type checker checks that they fit."""

from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Generic, TypeAlias

from gateway_svc.dispatch.context import Backends, ConnectionContext, RequestContext
from gateway_svc.dispatch.reply import PendingResponse
from gateway_svc.wire.api import Api, RequestT, ResponseT
from gateway_svc.wire.envelope import Encoded


class Operation(Generic[ResponseT]):
    """The work of a request that its handler has started.

    `respond` is called once `future` is done. It returns the response (encoded, if its bytes are
    known already), or None if the client expects none. If such a client must learn of an error, it
    raises `Disconnect`.
    """

    __slots__ = ("future", "timeout_ms")

    future: "Future[Any]"
    timeout_ms: int

    def respond(self) -> ResponseT | Encoded | None:
        raise NotImplementedError

    def abandon(self) -> None:
        """Called in place of `respond` when the client has disconnected."""


class ExclusiveOperation(Generic[ResponseT]):
    """Returned by an overlapping handler for a request that must run in exclusive mode after all.

    `run` makes the coroutine that returns the response.
    """

    __slots__ = ("run",)

    def __init__(self, run: Callable[[], Awaitable[ResponseT | Encoded | None]]) -> None:
        self.run = run


#: Starts a request from its frame, without decoding it; returns None if the slow path must.
FastPath: TypeAlias = Callable[[bytes, ConnectionContext], PendingResponse | None]


class RequestMode(Enum):
    """Concurrency of an API's requests with others of their connection (see `reply`)."""

    EXCLUSIVE = auto()  # `handle` is a coroutine function
    DEFERRED = auto()  # `handle` returns an `Operation`
    OVERLAPPING = auto()  # likewise, or an `ExclusiveOperation`


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An API, its handler, and the mode that its requests run in.

    `expects_response` returns True if the client expects a response; None: all do. `fast_paths`
    makes, by version, functions that do the same as `handle` for the requests that they accept.
    """

    api: Api[Any, Any]
    handle: Callable[[Any, RequestContext], Any]
    mode: RequestMode
    expects_response: Callable[[Any], bool] | None = None
    fast_paths: "Callable[[Route, Backends], Mapping[int, FastPath]] | None" = None


def exclusive_route(
    api: Api[RequestT, ResponseT],
    handle: Callable[[RequestT, RequestContext], Awaitable[ResponseT]],
) -> Route:
    """Returns a route whose requests have their connection to themselves, each in a task."""
    return Route(api=api, handle=handle, mode=RequestMode.EXCLUSIVE)


def deferred_route(
    api: Api[RequestT, ResponseT],
    start: Callable[[RequestT, RequestContext], ResponseT | Operation[ResponseT]],
) -> Route:
    """Returns an exclusive route without tasks, for APIs whose requests are many and small."""
    return Route(api=api, handle=start, mode=RequestMode.DEFERRED)


def overlapping_route(
    api: Api[RequestT, ResponseT],
    start: Callable[
        [RequestT, RequestContext],
        ResponseT | Operation[ResponseT] | ExclusiveOperation[ResponseT] | None,
    ],
    *,
    expects_response: Callable[[RequestT], bool],
    fast_paths: Callable[[Route, Backends], Mapping[int, FastPath]] | None = None,
) -> Route:
    """Returns a route whose requests start before earlier ones of their connection are done."""
    return Route(
        api=api,
        handle=start,
        mode=RequestMode.OVERLAPPING,
        expects_response=expects_response,
        fast_paths=fast_paths,
    )
