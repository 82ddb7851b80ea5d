"""One request on its way: decoded, handled, and its response encoded, whatever goes wrong."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.reply import (
    Deferred,
    Disconnect,
    Parts,
    PendingResponse,
    Reply,
    TaskResponse,
)
from gateway_svc.dispatch.route import ExclusiveOperation, Operation, RequestMode, Route
from gateway_svc.wire.envelope import RequestHeader, read_request, write_response
from gateway_svc.wire.error_code import ErrorCode

log = logging.getLogger(__name__)

#: Of a response, that are encoded in one turn of the event loop.
_ELEMENTS_PER_TURN: Final = 1000
_LARGE_BYTES: Final = 64 << 10


class Request(PendingResponse):
    """A request of a served version, and its pending response once it has started."""

    __slots__ = ("_frame", "_operation", "_request", "header", "is_large", "route")

    def __init__(self, route: Route, header: RequestHeader, frame: bytes | memoryview) -> None:
        self.route = route
        self.header = header
        #: Whether it asks for so much that its response may be large in every part.
        self.is_large = len(frame) > _LARGE_BYTES
        self._frame = frame
        self._request: object = None

    def start(self, context: RequestContext) -> Reply:
        """Raises `ProtocolViolation`: the frame is not that request."""
        route = self.route
        request = self.decoded()
        if route.mode is RequestMode.OVERLAPPING:
            return self.begin(context)
        if route.mode is RequestMode.EXCLUSIVE:
            return self._exclusive(partial(route.handle, request, context))
        return Deferred(partial(self.begin, context))

    def decoded(self) -> Any:
        """Raises `ProtocolViolation`, at the first call."""
        if self._request is None:
            self._request = read_request(self.route.api, self.header, self._frame)
            # What it has of the frame it has views of.
            self._frame = b""
        return self._request

    def begin(self, context: RequestContext) -> Reply:
        """Starts it now; its handler is no coroutine function."""
        try:
            begun = self.route.handle(self.decoded(), context)
        except Disconnect:
            raise
        except Exception as error:  # noqa: BLE001 - a bug of a handler, whatever it is
            return self.failed(error)
        if isinstance(begun, Operation):
            self._operation = begun
            self.future = begun.future
            self.timeout_ms = begun.timeout_ms
            return self
        if isinstance(begun, ExclusiveOperation):
            return self._exclusive(begun.run)
        return self.encoded(lambda: begun)

    def finish(self) -> Parts | None:
        return self.encoded(self._operation.respond)

    def abandon(self) -> None:
        self._operation.abandon()

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

    def _exclusive(self, handle: Callable[[], Awaitable[object]]) -> Deferred:
        return Deferred(lambda: TaskResponse(self._run(handle)))

    async def _run(self, handle: Callable[[], Awaitable[object]]) -> Parts | None:
        try:
            response = await handle()
        except Disconnect:
            raise
        except Exception as error:  # noqa: BLE001 - a bug of a handler, whatever it is
            return self.failed(error)
        if self.is_large or _has_many_elements(response):
            # In a thread, so that other connections are served meanwhile.
            return await asyncio.to_thread(self.encoded, lambda: response)
        return self.encoded(lambda: response)


def _has_many_elements(response: object) -> bool:
    """True where encoding takes more than some milliseconds, whatever is in the elements."""
    names = getattr(response, "__slots__", ())
    fields = (getattr(response, name) for name in names)
    return any(isinstance(one, list) and len(one) > _ELEMENTS_PER_TURN for one in fields)
