"""coordinator.v1 over gRPC: only translates, to and from the port `Coordinators`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import grpc.aio
from google.protobuf.message import Message

from common.ports.classic_groups import (
    GroupHeartbeat,
    JoinGroup,
    LeaveGroup,
    ListGroups,
    SyncGroup,
)
from common.ports.consumer_groups import ConsumerHeartbeat
from common.ports.coordinators import Coordinators
from common.ports.group_offsets import CommitOffsets, DeleteOffsets, FetchOffsets
from common.ports.unavailable import BackendUnavailable
from common.rpc.messages.plain import from_message, to_message
from common.rpc.server import Service
from common.rpc.status import abort_with
from common.runtime.cooperative import map_cooperatively
from partition_svc.rpc.call_stream import CallStream
from partition_svc.rpc.coordinator_checks import check_commit, check_texts
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1.coordinator_pb2_grpc import (
    CoordinatorServiceServicer,
    add_CoordinatorServiceServicer_to_server,
)

T = TypeVar("T")
MessageT = TypeVar("MessageT", bound=Message)
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

#: What one stream may have unanswered; the gateway bounds its own side too.
_STREAM_BYTES_MAX: Final = 16 << 20
_STOPPING: Final = "the partition service is stopping"


class CoordinatorServicer(CoordinatorServiceServicer):
    """One method for each RPC of `protos/coordinator/v1/coordinator.proto`."""

    def __init__(self, coordinators: Coordinators) -> None:
        self._to = coordinators
        self._streams: set[CallStream] = set()
        self._is_stopping = False

    def end_streams(self) -> None:
        """The service is stopping: streams end once what is in flight is answered."""
        self._is_stopping = True
        for stream in tuple(self._streams):
            stream.end(BackendUnavailable(_STOPPING))

    async def JoinGroup(self, request: pb.JoinGroupRequest, context: _Context) -> pb.Joined:  # noqa: N802 - named by the proto
        return await _one(self._to.join_group, request, JoinGroup, pb.Joined, context)

    async def SyncGroup(self, request: pb.SyncGroupRequest, context: _Context) -> pb.Synced:  # noqa: N802
        return await _one(self._to.sync_group, request, SyncGroup, pb.Synced, context)

    async def Heartbeat(self, request: pb.GroupHeartbeat, context: _Context) -> pb.HeartbeatTaken:  # noqa: N802
        return await _one(self._to.heartbeat, request, GroupHeartbeat, pb.HeartbeatTaken, context)

    async def LeaveGroup(self, request: pb.LeaveGroupRequest, context: _Context) -> pb.Left:  # noqa: N802
        return await _one(self._to.leave_group, request, LeaveGroup, pb.Left, context)

    async def CommitOffsets(  # noqa: N802
        self, request: pb.CommitOffsetsRequest, context: _Context
    ) -> pb.CommitResult:
        return await _one(self._to.commit_offsets, request, CommitOffsets, pb.CommitResult, context)

    async def FetchOffsets(  # noqa: N802
        self, request: pb.FetchOffsetsRequest, context: _Context
    ) -> pb.FetchedOffsets:
        return await _one(self._to.fetch_offsets, request, FetchOffsets, pb.FetchedOffsets, context)

    async def DeleteOffsets(  # noqa: N802
        self, request: pb.DeleteOffsetsRequest, context: _Context
    ) -> pb.DeletedOffsets:
        return await _one(
            self._to.delete_offsets, request, DeleteOffsets, pb.DeletedOffsets, context
        )

    async def DescribeGroups(  # noqa: N802
        self, request: pb.GroupIds, context: _Context
    ) -> pb.DescribedGroups:
        groups = await _many(self._to.describe_groups, request, pb.DescribedGroup, context)
        return pb.DescribedGroups(groups=groups)

    async def ListGroups(self, request: pb.ListGroupsRequest, context: _Context) -> pb.ListedGroups:  # noqa: N802
        return await _one(self._to.list_groups, request, ListGroups, pb.ListedGroups, context)

    async def DeleteGroups(self, request: pb.GroupIds, context: _Context) -> pb.GroupResults:  # noqa: N802
        results = await _many(self._to.delete_groups, request, pb.GroupResult, context)
        return pb.GroupResults(results=results)

    async def ConsumerHeartbeat(  # noqa: N802
        self, request: pb.ConsumerHeartbeatRequest, context: _Context
    ) -> pb.ConsumerHeartbeatTaken:
        return await _one(
            self._to.consumer_heartbeat,
            request,
            ConsumerHeartbeat,
            pb.ConsumerHeartbeatTaken,
            context,
        )

    async def DescribeConsumerGroups(  # noqa: N802
        self, request: pb.GroupIds, context: _Context
    ) -> pb.ConsumerGroups:
        groups = await _many(self._to.describe_consumer_groups, request, pb.ConsumerGroup, context)
        return pb.ConsumerGroups(groups=groups)

    async def CallStream(  # noqa: N802
        self, requests: AsyncIterator[pb.GroupCalls], context: _Context
    ) -> AsyncIterator[pb.GroupAnswers]:
        stream = CallStream(self._to, bytes_in_flight_max=_STREAM_BYTES_MAX)
        if self._is_stopping:
            stream.end(BackendUnavailable(_STOPPING))
        self._streams.add(stream)
        try:
            async for answers in stream.responses(requests):
                yield answers
        finally:
            self._streams.discard(stream)
        if stream.failure is not None:
            await abort_with(context, stream.failure)


def service(servicer: CoordinatorServicer) -> Service:
    """The servicer, as a gRPC server takes it."""
    return Service(
        "coordinator.v1.CoordinatorService",
        lambda server: add_CoordinatorServiceServicer_to_server(servicer, server),
    )


async def _one(
    method: Callable[[T], Awaitable[Any]],
    request: Message,
    asked: type[T],
    answer: type[MessageT],
    context: _Context,
) -> MessageT:
    _check(request)
    return to_message(await method(from_message(request, asked)), answer)


async def _many(
    method: Callable[[Sequence[str]], Awaitable[Sequence[Any]]],
    request: pb.GroupIds,
    answer: type[MessageT],
    context: _Context,
) -> list[MessageT]:
    _check(request)
    answers = await method(list(request.group_ids))
    return await map_cooperatively(lambda one: to_message(one, answer), answers)


def _check(request: Message) -> None:
    if isinstance(request, pb.CommitOffsetsRequest):
        check_commit(request)
    else:
        check_texts(request)
