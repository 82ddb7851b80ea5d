"""One request: decoded, handled, and its response or error encoded."""

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

#: Responses with a longer list are encoded in a thread, and those to a larger request.
_INLINE_ELEMENTS_MAX: Final = 1000
_INLINE_REQUEST_BYTES_MAX: Final = 64 << 10


class Request(PendingResponse):
    """A request of a served version, and its pending response once it has started."""

    __slots__ = ("_frame", "_operation", "_request", "header", "is_large", "route")

    def __init__(self, route: Route, header: RequestHeader, frame: bytes | memoryview) -> None:
        self.route = route
        self.header = header
        #: True if the request is so large that its response may be large in any part.
        self.is_large = len(frame) > _INLINE_REQUEST_BYTES_MAX
        self._frame = frame
        self._request: object = None

    def start(self, context: RequestContext) -> Reply:
        """Starts the request in the mode of its route.

        Raises:
            ProtocolViolation: the frame is not a request of this API and version.
        """
        route = self.route
        request = self.decode()
        if route.mode is RequestMode.OVERLAPPING:
            return self.begin(context)
        if route.mode is RequestMode.EXCLUSIVE:
            return self._exclusive(partial(route.handle, request, context))
        return Deferred(partial(self.begin, context))

    def decode(self) -> Any:
        """Returns the decoded request. The first call may raise `ProtocolViolation`."""
        if self._request is None:
            self._request = read_request(self.route.api, self.header, self._frame)
            # The request has views of the parts of the frame that it needs.
            self._frame = b""
        return self._request

    def begin(self, context: RequestContext) -> Reply:
        """Calls a handler that is no coroutine function."""
        try:
            result = self.route.handle(self.decode(), context)
        except Disconnect:
            raise
        except Exception as error:  # noqa: BLE001 - any bug of a handler
            return self.respond_to_bug(error)
        if isinstance(result, Operation):
            self._operation = result
            self.future = result.future
            self.timeout_ms = result.timeout_ms
            return self
        if isinstance(result, ExclusiveOperation):
            return self._exclusive(result.run)
        return self.encode(lambda: result)

    def finish(self) -> Parts | None:
        return self.encode(self._operation.respond)

    def abandon(self) -> None:
        self._operation.abandon()

    def expire(self) -> Parts:
        return self.refuse(ErrorCode.REQUEST_TIMED_OUT)

    def encode(self, respond: Callable[[], object]) -> Parts | None:
        """Returns the encoded response, or None if the client expects none.

        A bug of `respond` or of the encoding becomes an error response.
        """
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
        except Exception as error:  # noqa: BLE001 - any bug of a handler
            return self.respond_to_bug(error)

    def respond_to_bug(self, error: Exception) -> Parts:
        """Logs a bug, and returns an error response. Raises `Disconnect` if none is expected."""
        name, header = self.route.api.name, self.header
        log.error(
            "%s v%d from %r failed", name, header.api_version, header.client_id, exc_info=error
        )
        return self.refuse(ErrorCode.UNKNOWN_SERVER_ERROR)

    def refuse(self, error_code: ErrorCode) -> Parts:
        """Returns a response with the error wherever it has a field for one.

        Raises:
            Disconnect: the client expects no response.
        """
        api, header, expects_response = self.route.api, self.header, self.route.expects_response
        request = self.decode()
        if expects_response is not None and not expects_response(request):
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
        except Exception as error:  # noqa: BLE001 - any bug of a handler
            return self.respond_to_bug(error)
        if self.is_large or _has_many_elements(response):
            # In a thread, so that other connections are served meanwhile.
            return await asyncio.to_thread(self.encode, lambda: response)
        return self.encode(lambda: response)


def _has_many_elements(response: object) -> bool:
    """Returns True if encoding could take more than some milliseconds."""
    names = getattr(response, "__slots__", ())
    fields = (getattr(response, name) for name in names)
    return any(isinstance(value, list) and len(value) > _INLINE_ELEMENTS_MAX for value in fields)
