"""One request on its way: decoded, handled, and its response encoded, whatever goes wrong."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.reply import Disconnect, Exclusive, InTurn, Parts, Pending, Reply
from gateway_svc.dispatch.route import Alone, Route, Started
from gateway_svc.wire.envelope import RequestHeader, read_request, write_response
from gateway_svc.wire.error_code import ErrorCode

log = logging.getLogger(__name__)

#: Of a response, that are encoded in one turn of the event loop.
_ELEMENTS_PER_TURN: Final = 1000
_LARGE_BYTES: Final = 64 << 10


class Request(Pending):
    """One request of a served version, on its way to a response; `Pending` once it is started."""

    __slots__ = ("_frame", "_request", "_started", "header", "is_large", "route")

    def __init__(self, route: Route, header: RequestHeader, frame: bytes | memoryview) -> None:
        self.route = route
        self.header = header
        #: Whether it asks for so much that its response may be large in every part.
        self.is_large = len(frame) > _LARGE_BYTES
        self._frame = frame
        self._request: object = None

    def start(self, call: RequestContext) -> Reply:
        """Raises `ProtocolViolation`: the frame is not that request."""
        route = self.route
        request = self.decoded()
        if route.is_task:
            return _ExclusiveRequest(self, partial(route.handle, request, call))
        return self.begin(call) if route.may_overlap else _RequestInTurn(self, call)

    def decoded(self) -> Any:
        """Raises `ProtocolViolation`, at the first call."""
        if self._request is None:
            self._request = read_request(self.route.api, self.header, self._frame)
            # What it has of the frame it has views of.
            self._frame = b""
        return self._request

    def begin(self, call: RequestContext) -> Parts | Pending | Exclusive | None:
        """Starts it now, where its handler is no coroutine function."""
        try:
            begun = self.route.handle(self.decoded(), call)
        except Disconnect:
            raise
        except Exception as error:  # noqa: BLE001 - a bug of a handler, whatever it is
            return self.failed(error)
        if isinstance(begun, Started):
            return self.under_way(begun)
        if isinstance(begun, Alone):
            return _ExclusiveRequest(self, begun.run)
        return self.encoded(lambda: begun)

    def under_way(self, begun: Started[Any]) -> Pending:
        self._started = begun
        self.future = begun.future
        self.timeout_ms = begun.timeout_ms
        return self

    def finish(self) -> Parts | None:
        return self.encoded(self._started.respond)

    def abandon(self) -> None:
        self._started.abandon()

    def expire(self) -> Parts:
        return self.refused(ErrorCode.REQUEST_TIMED_OUT)

    def encoded(self, respond: Callable[[], object]) -> Parts | None:
        """The response as bytes; None where none is expected."""
        try:
            response = respond()
            if response is None:
                return None
            header = self.header
            return write_response(
                self.route.api, header.api_version, header.correlation_id, response
            )
        except Disconnect:
            raise
        except Exception as error:  # noqa: BLE001 - a bug of a handler, whatever it is
            return self.failed(error)

    def failed(self, error: Exception) -> Parts:
        """Tells a bug: to us in the log, to the client as an error."""
        name, version, client_id = (
            self.route.api.name,
            self.header.api_version,
            self.header.client_id,
        )
        log.error("%s v%d from %r failed", name, version, client_id, exc_info=error)
        return self.refused(ErrorCode.UNKNOWN_SERVER_ERROR)

    def refused(self, error_code: ErrorCode) -> Parts:
        """The error wherever the response has a place for one."""
        api, header, is_answered = self.route.api, self.header, self.route.is_answered
        request = self.decoded()
        if is_answered is not None and not is_answered(request):
            raise Disconnect(f"{api.name} without a response failed: {error_code.name}")
        response = api.refuse(request, error_code)
        return write_response(api, header.api_version, header.correlation_id, response)


class _RequestInTurn(InTurn):
    __slots__ = ("_call", "_request")

    def __init__(self, request: Request, call: RequestContext) -> None:
        self._request = request
        self._call = call

    def start(self) -> Parts | Pending | Exclusive | None:
        return self._request.begin(self._call)


class _ExclusiveRequest(Exclusive):
    __slots__ = ("_handle", "_request")

    def __init__(self, request: Request, handle: Callable[[], Awaitable[object]]) -> None:
        self._request = request
        self._handle = handle

    async def run(self) -> Parts | None:
        try:
            response = await self._handle()
        except Disconnect:
            raise
        except Exception as error:  # noqa: BLE001 - a bug of a handler, whatever it is
            return self._request.failed(error)
        if self._request.is_large or _has_many_elements(response):
            # In a thread, so that others get their turns; the response is nobody else's.
            return await asyncio.to_thread(self._request.encoded, lambda: response)
        return self._request.encoded(lambda: response)


def _has_many_elements(response: object) -> bool:
    """True where encoding takes more than some milliseconds, whatever is in the elements."""
    names = getattr(response, "__slots__", ())
    fields = (getattr(response, name) for name in names)
    return any(isinstance(one, list) and len(one) > _ELEMENTS_PER_TURN for one in fields)
