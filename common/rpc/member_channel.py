"""Channels to a member by its name, and the check at the server that it is that member.

A member registers its address, which may be a pod's IP. When the pod is gone, its IP may become
another member's, of this cluster or of another. So each call carries the name of its member, and a
member rejects calls for another one. It accepts calls without a name, which come from tools and
probes.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio

from common.rpc.channels import open_channel

#: gRPC metadata key of the member name.
MEMBER_KEY: Final = "ringlog-member"

#: Prefix of the details of the UNAVAILABLE status; the call had no effect.
NOT_THE_MEMBER: Final = "not the member"

# In quotes: generic for the type checker only.
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Context = grpc.aio.ServicerContext[Any, Any]
_Call: TypeAlias = Callable[..., Any]


class MemberChannel:
    """Implements the part of `grpc.aio.Channel` that stubs need. Connects at the first call."""

    def __init__(self, name: str, address: str) -> None:
        """`name` is the member's name, `address` its host:port."""
        self._channel = open_channel(address)
        self._metadata = ((MEMBER_KEY, name),)

    def unary_unary(self, *arguments: Any, **options: Any) -> _Call:
        return self._with_name(self._channel.unary_unary(*arguments, **options))

    def unary_stream(self, *arguments: Any, **options: Any) -> _Call:
        return self._with_name(self._channel.unary_stream(*arguments, **options))

    def stream_unary(self, *arguments: Any, **options: Any) -> _Call:
        return self._with_name(self._channel.stream_unary(*arguments, **options))

    def stream_stream(self, *arguments: Any, **options: Any) -> _Call:
        return self._with_name(self._channel.stream_stream(*arguments, **options))

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._channel.wait_for_state_change(last_observed_state)

    async def close(self) -> None:
        await self._channel.close()

    def _with_name(self, call: _Call) -> _Call:
        metadata = self._metadata

        def call_with_name(*arguments: Any, **options: Any) -> Any:
            return call(*arguments, metadata=metadata, **options)

        return call_with_name


#: Either kind of channel, for stubs and streams.
Channel: TypeAlias = grpc.aio.Channel | MemberChannel


class MemberNameInterceptor(grpc.aio.ServerInterceptor):
    """Rejects calls that are meant for another member than `name`."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["_Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Handler | None":
        handler = await continuation(handler_call_details)
        for key, name in handler_call_details.invocation_metadata or ():
            if key == MEMBER_KEY and name != self._name and handler is not None:
                return self._rejecting(handler, name)
        return handler

    def _rejecting(self, handler: Any, name: object) -> "_Handler":
        async def reject(_: object, context: _Context) -> None:
            await context.abort(
                grpc.StatusCode.UNAVAILABLE, f"{NOT_THE_MEMBER}: this is {self._name}, not {name}"
            )

        kinds = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }
        make: Any = kinds[handler.request_streaming, handler.response_streaming]
        rejecting: _Handler = make(
            reject,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return rejecting


def is_other_member(error: grpc.aio.AioRpcError) -> bool:
    """True if the call reached another member than the one it was meant for."""
    return (error.details() or "").startswith(NOT_THE_MEMBER)
