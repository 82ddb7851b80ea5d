"""coordinator.v1 over gRPC: translates to and from the port `Coordinators`."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import Message

from common.ports.classic_groups import ListGroups
from common.ports.coordinators import Coordinators
from common.ports.group_request import GroupRequest
from common.ports.unavailable import BackendUnavailable
from common.rpc.messages.group_calls import GROUP_CALLS, GroupCallFormat
from common.rpc.messages.plain import from_message, to_message
from common.rpc.server import Service
from common.rpc.status import abort_with
from common.runtime.cooperative import TimeSlice, gather_bounded
from partition_svc.rpc.call_stream import CallStream
from partition_svc.rpc.coordinator_checks import check_request
from protos.coordinator.v1 import coordinator_pb2 as pb

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_NAME: Final = "coordinator.v1.CoordinatorService"
#: Limit of the calls in flight on one stream; the gateway has a limit of its own.
_STREAM_BYTES_MAX: Final = 16 << 20
_STOPPING: Final = "the partition service is stopping"


class CoordinatorServicer:
    """The methods of `protos/coordinator/v1/coordinator.proto`.

    Those about one group are made of the table of calls (`group_calls.py`).
    """

    def __init__(self, coordinators: Coordinators) -> None:
        self._to = coordinators
        self._streams: set[CallStream] = set()
        self._is_stopping = False

    def end_streams(self) -> None:
        """The service is stopping: streams end once their calls in flight have replies."""
        self._is_stopping = True
        for stream in tuple(self._streams):
            stream.end(BackendUnavailable(_STOPPING))

    def handlers(self) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
        """Returns the handler of each method."""
        return {
            **{call.rpc: _unary(call, partial(self._call, call)) for call in GROUP_CALLS.values()},
            "ListGroups": grpc.unary_unary_rpc_method_handler(
                self._list_groups,
                request_deserializer=pb.ListGroupsRequest.FromString,
                response_serializer=pb.ListedGroups.SerializeToString,
            ),
            "CallStream": grpc.stream_stream_rpc_method_handler(
                self._call_stream,
                request_deserializer=pb.GroupCalls.FromString,
                response_serializer=pb.GroupAnswers.SerializeToString,
            ),
        }

    async def _call(self, call: GroupCallFormat, message: Message, context: _Context) -> Message:
        check_request(message)
        replies = await gather_bounded(self._reply_to, call.read_requests(message))
        time_slice, response = TimeSlice(), call.reply_message()
        for reply in replies:
            call.write_reply(response, reply)
            await time_slice.checkpoint()
        return response

    async def _reply_to(self, request: GroupRequest[Any]) -> Any:
        return await self._to.call(request)

    async def _list_groups(
        self, message: pb.ListGroupsRequest, context: _Context
    ) -> pb.ListedGroups:
        check_request(message)
        listed = await self._to.list_groups(from_message(message, ListGroups))
        return to_message(listed, pb.ListedGroups)

    async def _call_stream(
        self, requests: AsyncIterator[pb.GroupCalls], context: _Context
    ) -> AsyncIterator[pb.GroupAnswers]:
        stream = CallStream(self._to, bytes_in_flight_max=_STREAM_BYTES_MAX)
        if self._is_stopping:
            stream.end(BackendUnavailable(_STOPPING))
        self._streams.add(stream)
        try:
            async for replies in stream.responses(requests):
                yield replies
        finally:
            self._streams.discard(stream)
        if stream.failure is not None:
            await abort_with(context, stream.failure)


def service(servicer: CoordinatorServicer) -> Service:
    """Returns the servicer in the form in which a gRPC server accepts it."""
    handlers = grpc.method_handlers_generic_handler(_NAME, servicer.handlers())
    return Service(_NAME, lambda server: server.add_generic_rpc_handlers((handlers,)))


def _unary(call: GroupCallFormat, handle: Any) -> "grpc.RpcMethodHandler[Any, Any]":
    return grpc.unary_unary_rpc_method_handler(
        handle,
        request_deserializer=call.request_message.FromString,
        response_serializer=call.reply_message.SerializeToString,
    )
