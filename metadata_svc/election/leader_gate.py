"""Rejects calls at once while this process is not the leader, so that callers try the next one."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn, TypeAlias

import grpc
import grpc.aio

from common.rpc.leader import NOT_LEADER

#: Prefix of the methods that only the leader serves; every process serves health and reflection.
_GUARDED: Final = "/metadata.v1."

# In quotes: generic for the type checker only.
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class LeaderGate(grpc.aio.ServerInterceptor):
    """A gRPC interceptor that lets calls pass only while it is open. Initially closed."""

    def __init__(self) -> None:
        self._leads: Callable[[], bool] = _never

    def open(self, leads: Callable[[], bool]) -> None:
        """Lets a call pass if `leads` returns true when the call starts."""
        self._leads = leads

    def close(self) -> None:
        self._leads = _never

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["_Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Handler | None":
        handler = await continuation(handler_call_details)
        is_guarded = (handler_call_details.method or "").startswith(_GUARDED)
        if handler is None or not is_guarded or self._leads():
            return handler
        return _refusing(handler)


def _never() -> bool:
    return False


def _refusing(handler: Any) -> _Handler:
    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    refusing: _Handler = make(
        _refuse,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
    return refusing


async def _refuse(_: object, context: grpc.aio.ServicerContext[Any, Any]) -> NoReturn:
    await context.abort(grpc.StatusCode.UNAVAILABLE, f"{NOT_LEADER} of the metadata services")
