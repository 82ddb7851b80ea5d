"""coordinator.v1 over gRPC: only translates, to and from the port `Coordinators`."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import grpc
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
from common.rpc.plain_messages import from_message, to_message
from common.rpc.server import Service
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1.coordinator_pb2_grpc import (
    CoordinatorServiceServicer,
    add_CoordinatorServiceServicer_to_server,
)

T = TypeVar("T")
MessageT = TypeVar("MessageT", bound=Message)
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

#: What Kafka's formats have room for in one text.
_TEXT_BYTES_MAX: Final = 0x7FFF


class CoordinatorServicer(CoordinatorServiceServicer):
    """One method for each RPC of `protos/coordinator/v1/coordinator.proto`."""

    def __init__(self, coordinators: Coordinators) -> None:
        self._to = coordinators

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
        if any(len(one.topic_id) not in (0, 16) for one in request.offsets):
            await _refuse(context, "a topic id has 16 bytes")
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
    await _check(request, context)
    return to_message(await _answered(method(from_message(request, asked)), context), answer)


async def _many(
    method: Callable[[Sequence[str]], Awaitable[Sequence[Any]]],
    request: pb.GroupIds,
    answer: type[MessageT],
    context: _Context,
) -> list[MessageT]:
    await _check(request, context)
    answers = await _answered(method(list(request.group_ids)), context)
    return [to_message(one, answer) for one in answers]


async def _answered(answer: Awaitable[T], context: _Context) -> T:
    try:
        return await answer
    except BackendUnavailable as error:
        await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        raise


async def _check(request: Message, context: _Context) -> None:
    if any(len(text.encode()) > _TEXT_BYTES_MAX for text in _texts(request)):
        await _refuse(context, f"a text is longer than {_TEXT_BYTES_MAX} bytes")


async def _refuse(context: _Context, why: str) -> None:
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, why)


def _texts(message: Message) -> Iterator[str]:
    """Every text in a message, those of its parts as well."""
    for _, value in message.ListFields():
        many = [value] if isinstance(value, str | bytes | int | Message) else value
        for one in many:
            if isinstance(one, str):
                yield one
            elif isinstance(one, Message):
                yield from _texts(one)
