"""Requests that are no message: refused with INVALID_ARGUMENT.

Left alone, grpc.aio answers UNKNOWN and logs a traceback for each, as if it were our bug. Streams
are not looked at here: whoever reads requests from one gets the `DecodeError` and ends it.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

# What a call carries is any message; this module is about the one that is none.
# In quotes: generic for the type checker only.
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Context = grpc.aio.ServicerContext[Any, Any]
_MALFORMED = object()


class RefuseMalformed(grpc.aio.ServerInterceptor):
    """For methods of one request and one answer: decodes the request, refuses where that fails."""

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
    async def answer(request: object, context: _Context) -> Any:
        if request is _MALFORMED:
            await _refuse(context)
        return await handler.unary_unary(request, context)

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=_lenient(handler.request_deserializer),
        response_serializer=_unless_ready(handler.response_serializer),
    )


def _stream_handler(handler: Any) -> _Handler:
    return grpc.stream_stream_rpc_method_handler(
        handler.stream_stream,
        request_deserializer=handler.request_deserializer,
        response_serializer=_unless_ready(handler.response_serializer),
    )


def _lenient(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        try:
            return decode(data)
        except DecodeError:
            return _MALFORMED

    return read


def _unless_ready(encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """Answers that a method has encoded itself (see `wire_format`) go out as they are."""
    return lambda answer: answer if isinstance(answer, bytes) else encode(answer)


async def _refuse(context: _Context) -> None:
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the request is not of its message type")
