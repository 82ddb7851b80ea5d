"""From a frame to the handler of its API and from the response back to bytes.

Knows no API by name, save that an unknown version of ApiVersions is answered.
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
    """One for the process; every connection gets an answerer of its own."""

    def __init__(self, routes: Mapping[int, Route], backends: Backends) -> None:
        self.routes = routes
        self.backends = backends
        #: By what the frames of an API and version begin with.
        self.fast_paths: dict[bytes, FastPath] = {
            kind_of(route.api.key, version): fast_path
            for route in routes.values()
            if route.fast_paths is not None
            for version, fast_path in route.fast_paths(route, backends).items()
        }

    def connect(self, peer: Peer) -> Callable[[bytes], Reply]:
        """What answers the frames of one connection, in the order of their arrival."""
        return _Connection(self, peer).answer


class _Connection:
    def __init__(self, dispatch: Dispatcher, peer: Peer) -> None:
        self._routes = dispatch.routes
        self._fast_paths = dispatch.fast_paths
        self._connection = ConnectionContext(peer, dispatch.backends)

    def answer(self, frame: bytes) -> Reply:
        """Starts the request in `frame`.

        Raises:
            ProtocolViolation: it is not a request, or of an API or version that is not served.
            Disconnect: it went wrong and expects no response that could say so.
        """
        fast_path = self._fast_paths.get(frame[:4])
        if fast_path is not None:
            try:
                reply = fast_path(frame, self._connection)
            except Exception as error:  # noqa: BLE001 - a bug of a handler, whatever it is
                header = read_header(frame)
                return Request(self._routes[header.api_key], header, frame).failed(error)
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
    """Clients ask ApiVersions before they can know which versions there are (KIP-511)."""
    if api.key != API_VERSIONS.key:
        raise ProtocolViolation(f"{api.name} v{header.api_version} is not supported")
    response = API_VERSIONS.refuse(ApiVersionsRequest(), ErrorCode.UNSUPPORTED_VERSION)
    return write_response(API_VERSIONS, 0, header.correlation_id, response)
