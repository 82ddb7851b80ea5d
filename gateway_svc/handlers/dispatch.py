"""From a frame to the handler of its API and from the response back to bytes.

Knows no API by name, save that an unknown version of ApiVersions is answered.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from gateway_svc.handlers.call import Backends, Call, Peer
from gateway_svc.handlers.reply import Disconnect, Exclusive, InTurn, Parts, Pending, Reply
from gateway_svc.handlers.route import Alone, Route, Shortcut, Started
from gateway_svc.wire.api import Api
from gateway_svc.wire.apis.api_versions import API_VERSIONS, ApiVersionsRequest
from gateway_svc.wire.envelope import RequestHeader, read_header, read_request, write_response
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.violations import ProtocolViolation

log = logging.getLogger(__name__)


class Dispatch:
    """One for the process; every connection gets an answerer of its own."""

    def __init__(self, routes: Mapping[int, Route], backends: Backends) -> None:
        self.routes = routes
        self.backends = backends

    def connect(self, peer: Peer) -> Callable[[bytes | memoryview], Reply]:
        """What answers the frames of one connection, in the order of their arrival."""
        return _Connection(self, peer).answer


class _Connection:
    def __init__(self, dispatch: Dispatch, peer: Peer) -> None:
        self._routes = dispatch.routes
        self._backends = dispatch.backends
        self._peer = peer
        self._client_id: str | None = None
        self._calls: dict[int, Call] = {}  # by version, all of `_client_id`

    def answer(self, frame: bytes | memoryview) -> Reply:
        """Starts the request in `frame`.

        Raises:
            ProtocolViolation: it is not a request, or of an API or version that is not served.
            Disconnect: it went wrong and expects no response that could say so.
        """
        header = read_header(frame)
        route = self._routes.get(header.api_key)
        if route is None:
            raise ProtocolViolation(f"a request of the unknown API {header.api_key}")
        api = route.api
        if not api.version_min <= header.api_version <= api.version_max:
            return _refuse_version(api, header)
        return _Request(route, header, frame).start(self._call(header))

    def _call(self, header: RequestHeader) -> Call:
        if header.client_id != self._client_id:
            self._calls.clear()
            self._client_id = header.client_id
        call = self._calls.get(header.api_version)
        if call is None:
            call = Call(header.api_version, header.client_id, self._peer, self._backends)
            self._calls[header.api_version] = call
        return call


class _Request(Pending):
    """One request of a served version, on its way to a response; `Pending` once it is started."""

    __slots__ = ("_frame", "_request", "_started", "header", "route")

    def __init__(self, route: Route, header: RequestHeader, frame: bytes | memoryview) -> None:
        self.route = route
        self.header = header
        self._frame = frame
        self._request: object = None

    def start(self, call: Call) -> Reply:
        """Raises `ProtocolViolation`: the frame is not that request."""
        route = self.route
        if route.shortcut is not None:
            reply = self._start_short(route.shortcut, call)
            if reply is not None:
                return reply
        request = self._decoded()
        if route.is_task:
            return _ExclusiveRequest(self, partial(route.handle, request, call))
        return self.begin(call) if route.may_overlap else _RequestInTurn(self, call)

    def _start_short(self, shortcut: Shortcut, call: Call) -> Parts | Pending | None:
        """None: it is to go the long way."""
        try:
            begun = shortcut(self._frame, self.header, call)
        except Exception as error:  # noqa: BLE001 - a bug of a handler, whatever it is
            return self.failed(error)
        return None if begun is None else self.under_way(begun)

    def _decoded(self) -> object:
        """Decoded at the first call, which may raise `ProtocolViolation`."""
        if self._request is None:
            self._request = read_request(self.route.api, self.header, self._frame)
            # What it has of the frame it has views of.
            self._frame = b""
        return self._request

    def begin(self, call: Call) -> Parts | Pending | Exclusive | None:
        """Starts it now, where its handler is no coroutine function."""
        try:
            begun = self.route.handle(self._decoded(), call)
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
        request = self._decoded()
        if is_answered is not None and not is_answered(request):
            raise Disconnect(f"{api.name} without a response failed: {error_code.name}")
        response = api.refuse(request, error_code)
        return write_response(api, header.api_version, header.correlation_id, response)


class _RequestInTurn(InTurn):
    __slots__ = ("_call", "_request")

    def __init__(self, request: _Request, call: Call) -> None:
        self._request = request
        self._call = call

    def start(self) -> Parts | Pending | Exclusive | None:
        return self._request.begin(self._call)


class _ExclusiveRequest(Exclusive):
    __slots__ = ("_handle", "_request")

    def __init__(self, request: _Request, handle: Callable[[], Awaitable[object]]) -> None:
        self._request = request
        self._handle = handle

    async def run(self) -> Parts | None:
        try:
            response = await self._handle()
        except Disconnect:
            raise
        except Exception as error:  # noqa: BLE001 - a bug of a handler, whatever it is
            return self._request.failed(error)
        return self._request.encoded(lambda: response)


def _refuse_version(api: Api[Any, Any], header: RequestHeader) -> Parts:
    """Clients ask ApiVersions before they can know which versions there are (KIP-511)."""
    if api.key != API_VERSIONS.key:
        raise ProtocolViolation(f"{api.name} v{header.api_version} is not supported")
    response = API_VERSIONS.refuse(ApiVersionsRequest(), ErrorCode.UNSUPPORTED_VERSION)
    return write_response(API_VERSIONS, 0, header.correlation_id, response)
