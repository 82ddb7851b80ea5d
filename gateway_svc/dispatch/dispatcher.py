"""The dispatcher: finds the route of a frame and starts its request.

It knows no API by name, except that it responds to unknown versions of ApiVersions.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway_svc.dispatch.context import Backends, ConnectionContext, Peer
from gateway_svc.dispatch.reply import Parts, Reply
from gateway_svc.dispatch.request import Request
from gateway_svc.dispatch.route import FastPath, Route
from gateway_svc.wire.api import Api
from gateway_svc.wire.apis.api_versions import API_VERSIONS, ApiVersionsRequest
from gateway_svc.wire.envelope import RequestHeader, kind_of, read_header, write_response
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.violations import ProtocolViolation


class Dispatcher:
    """Routes and services of one process. Each connection gets its own frame handler."""

    def __init__(self, routes: Mapping[int, Route], backends: Backends) -> None:
        self.routes = routes
        self.backends = backends
        #: By the first four bytes of a frame: API key and version.
        self.fast_paths: dict[bytes, FastPath] = {
            kind_of(route.api.key, version): fast_path
            for route in routes.values()
            if route.fast_paths is not None
            for version, fast_path in route.fast_paths(route, backends).items()
        }

    def connect(self, peer: Peer) -> Callable[[bytes], Reply]:
        """Returns the function that starts the requests of a connection, in order of arrival."""
        return _ConnectionDispatcher(self, peer).start


class _ConnectionDispatcher:
    def __init__(self, dispatcher: Dispatcher, peer: Peer) -> None:
        self._routes = dispatcher.routes
        self._fast_paths = dispatcher.fast_paths
        self._connection = ConnectionContext(peer, dispatcher.backends)

    def start(self, frame: bytes) -> Reply:
        """Starts the request in `frame`.

        Raises:
            ProtocolViolation: the frame is not a request, or its API or version is not served.
            Disconnect: the request failed, and its client expects no response.
        """
        fast_path = self._fast_paths.get(frame[:4])
        if fast_path is not None:
            try:
                reply = fast_path(frame, self._connection)
            except Exception as error:  # noqa: BLE001 - any bug of a handler
                header = read_header(frame)
                return Request(self._routes[header.api_key], header, frame).respond_to_bug(error)
            if reply is not None:
                return reply
        header = read_header(frame)
        route = self._routes.get(header.api_key)
        if route is None:
            raise ProtocolViolation(f"a request of the unknown API {header.api_key}")
        api = route.api
        if not api.version_min <= header.api_version <= api.version_max:
            return _refuse_version(api, header)
        return Request(route, header, frame).start(self._connection.request_context(header))


def _refuse_version(api: Api[Any, Any], header: RequestHeader) -> Parts:
    """Responds to an unknown version of ApiVersions in version 0; clients then retry (KIP-511)."""
    if api.key != API_VERSIONS.key:
        raise ProtocolViolation(f"{api.name} v{header.api_version} is not supported")
    response = API_VERSIONS.refuse(ApiVersionsRequest(), ErrorCode.UNSUPPORTED_VERSION)
    return write_response(API_VERSIONS, 0, header.correlation_id, response)
