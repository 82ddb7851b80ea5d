"""Channels to one member by its name, and the check on the other side that it is that member.

A member is reached at the address that it registered, which may be a pod's IP. When the pod is gone
its IP may become another member's, of this cluster or of another. So each call carries the name of
the member that it is meant for, and a member refuses calls that are meant for another one. Calls
without a name, of tools and probes, are taken.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio

from common.rpc.channels import open_channel

#: Key of the metadata that names the member.
MEMBER_KEY: Final = "ringlog-member"

#: How the refusal begins. Its status is UNAVAILABLE: nothing was done.
NOT_THE_MEMBER: Final = "not the member"

# In quotes: generic for the type checker only.
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Context = grpc.aio.ServicerContext[Any, Any]
_Call: TypeAlias = Callable[..., Any]


class MemberChannel:
    """Implements as much of `grpc.aio.Channel` as stubs need. Connects at the first call."""

    def __init__(self, name: str, address: str) -> None:
        """`name` is the member's, `address` its host:port."""
        self._channel = open_channel(address)
        self._metadata = ((MEMBER_KEY, name),)

    def unary_unary(self, *arguments: Any, **options: Any) -> _Call:
        return self._named(self._channel.unary_unary(*arguments, **options))

    def unary_stream(self, *arguments: Any, **options: Any) -> _Call:
        return self._named(self._channel.unary_stream(*arguments, **options))

    def stream_unary(self, *arguments: Any, **options: Any) -> _Call:
        return self._named(self._channel.stream_unary(*arguments, **options))

    def stream_stream(self, *arguments: Any, **options: Any) -> _Call:
        return self._named(self._channel.stream_stream(*arguments, **options))

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._channel.wait_for_state_change(last_observed_state)

    async def close(self) -> None:
        await self._channel.close()

    def _named(self, call: _Call) -> _Call:
        metadata = self._metadata

        def named(*arguments: Any, **options: Any) -> Any:
            return call(*arguments, metadata=metadata, **options)

        return named


#: What stubs and streams are put on.
Channel: TypeAlias = grpc.aio.Channel | MemberChannel


class RefuseOtherMembers(grpc.aio.ServerInterceptor):
    """Refuses calls that are meant for another member than `name`."""

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
                return self._refusal(handler, name)
        return handler

    def _refusal(self, handler: Any, name: object) -> "_Handler":
        async def refuse(_: object, context: _Context) -> None:
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
        refusal: _Handler = make(
            refuse,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return refusal


def is_other_member(error: grpc.aio.AioRpcError) -> bool:
    """Returns whether a call reached another member than it was meant for."""
    return (error.details() or "").startswith(NOT_THE_MEMBER)
