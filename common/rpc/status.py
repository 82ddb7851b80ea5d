"""gRPC statuses of failed calls: the one mapping from exceptions to status codes.

Handlers of unary calls raise; `StatusInterceptor`, which every `RpcServer` has, ends the call with
the status of the exception. Handlers of streams call `abort_with`. Any other exception is a bug:
grpc.aio logs its traceback and replies UNKNOWN.

A unary request that cannot be decoded would end the same way, as if it were a bug here; the
interceptor replies INVALID_ARGUMENT. On streams the handler that reads the requests gets the
`DecodeError`.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from common.ports.unavailable import BackendUnavailable, ProcessReplaced, RegistrationRefused

# Messages are of any type here. In quotes: generic for the type checker only.
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Context = grpc.aio.ServicerContext[Any, Any]


class MalformedRequest(ValueError):
    """Raised when a request has a value that no caller can mean; the call has had no effect."""


#: The first class that matches decides: `ProcessReplaced` is a `BackendUnavailable` too.
_CODES: Final[dict[type[Exception], grpc.StatusCode]] = {
    MalformedRequest: grpc.StatusCode.INVALID_ARGUMENT,
    RegistrationRefused: grpc.StatusCode.FAILED_PRECONDITION,
    ProcessReplaced: grpc.StatusCode.FAILED_PRECONDITION,
    BackendUnavailable: grpc.StatusCode.UNAVAILABLE,
}
_FAILURES: Final = tuple(_CODES)
_UNDECODABLE: Final = object()


async def abort_with(context: _Context, error: Exception) -> NoReturn:
    """Ends the call with the status code of `error` and its text as the details.

    Raises:
        Exception: `error` itself, where it has no status code.
    """
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            await context.abort(code, str(error))
    raise error


def undecodable() -> MalformedRequest:
    """Returns the error of a request that protobuf cannot decode."""
    return MalformedRequest("the request is not of its message type")


class StatusInterceptor(grpc.aio.ServerInterceptor):
    """Ends unary calls with the status of what their handler raises.

    Lets handlers of any kind reply with encoded messages (see `wire_format`).
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["_Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Handler | None":
        handler = await continuation(handler_call_details)
        # None: there is no such method.
        if handler is None:
            return None
        if handler.request_streaming and handler.response_streaming:
            return _stream_handler(handler)
        if handler.request_streaming or handler.response_streaming:
            return handler
        return _unary_handler(handler)


def _unary_handler(handler: Any) -> _Handler:
    async def reply(request: object, context: _Context) -> Any:
        if request is _UNDECODABLE:
            await abort_with(context, undecodable())
        try:
            return await handler.unary_unary(request, context)
        except _FAILURES as error:
            await abort_with(context, error)

    return grpc.unary_unary_rpc_method_handler(
        reply,
        request_deserializer=_lenient(handler.request_deserializer),
        response_serializer=_unless_encoded(handler.response_serializer),
    )


def _stream_handler(handler: Any) -> _Handler:
    return grpc.stream_stream_rpc_method_handler(
        handler.stream_stream,
        request_deserializer=handler.request_deserializer,
        response_serializer=_unless_encoded(handler.response_serializer),
    )


def _lenient(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def decode_if_possible(data: bytes) -> Any:
        try:
            return decode(data)
        except DecodeError:
            return _UNDECODABLE

    return decode_if_possible


def _unless_encoded(encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    return lambda response: response if isinstance(response, bytes) else encode(response)
