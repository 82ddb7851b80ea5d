"""The port `Coordinators` over gRPC, for the groups of one partition service.

What members ask again and again goes over one stream (`call_stream.py`), the rest as calls.
"""

from asyncio import Future
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from common.client.groups.call_stream import GroupCalls, open_call_stream
from common.client.reachability import Reachability
from common.ports.classic_groups import (
    DescribedGroup,
    GroupHeartbeat,
    GroupResult,
    HeartbeatTaken,
    Joined,
    JoinGroup,
    LeaveGroup,
    Left,
    ListedGroups,
    ListGroups,
    Synced,
    SyncGroup,
)
from common.ports.consumer_groups import (
    ConsumerHeartbeat,
    ConsumerHeartbeatTaken,
    DescribedConsumerGroup,
)
from common.ports.group_offsets import (
    CommitOffsets,
    CommitResult,
    DeletedOffsets,
    DeleteOffsets,
    FetchedOffsets,
    FetchOffsets,
)
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import CALL_TIMEOUT_S, unavailable_on_failure
from common.rpc.member_channel import Channel
from common.rpc.messages.coordinator import (
    commit_result_of,
    commit_to_call,
    consumer_heartbeat_to_call,
    consumer_taken_of,
    heartbeat_taken_of,
    heartbeat_to_call,
)
from common.rpc.messages.plain import from_message, to_message
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1.coordinator_pb2_grpc import CoordinatorServiceStub

T = TypeVar("T")


class GrpcCoordinators:
    """Implements `common.ports.coordinators.Coordinators`.

    Joins and syncs have no deadline: they wait for other members as long as the group lets them,
    and end when the connection breaks or the caller is cancelled.
    """

    def __init__(
        self, name: str, channel: Channel, reachability: Reachability | None = None
    ) -> None:
        """`name` is the owner's, for errors. The channel stays the caller's.

        While the owner is lost every call raises `OwnerLost` at once.
        """
        self._name = name
        self._reachability = reachability
        self._stub = CoordinatorServiceStub(channel)
        self._calls = GroupCalls(name, lambda: open_call_stream(channel))
        if reachability is not None:
            reachability.on_lost(self._calls.abandon)

    def abandon(self, error: BackendUnavailable) -> None:
        """Fails what the stream has without an answer; calls end when the channel is closed."""
        self._calls.abandon(error)

    async def close(self) -> None:
        """Ends the stream; what has no answer yet fails."""
        await self._calls.close()

    async def join_group(self, request: JoinGroup) -> Joined:
        message = to_message(request, pb.JoinGroupRequest)
        return await self._ask("JoinGroup", message, Joined, timeout_s=None)

    async def sync_group(self, request: SyncGroup) -> Synced:
        message = to_message(request, pb.SyncGroupRequest)
        return await self._ask("SyncGroup", message, Synced, timeout_s=None)

    def heartbeat(self, request: GroupHeartbeat) -> Future[HeartbeatTaken]:
        return self._submit(heartbeat_to_call(request), heartbeat_taken_of)

    async def leave_group(self, request: LeaveGroup) -> Left:
        return await self._ask("LeaveGroup", to_message(request, pb.LeaveGroupRequest), Left)

    def commit_offsets(self, request: CommitOffsets) -> Future[CommitResult]:
        return self._submit(commit_to_call(request), commit_result_of)

    async def fetch_offsets(self, request: FetchOffsets) -> FetchedOffsets:
        message = to_message(request, pb.FetchOffsetsRequest)
        return await self._ask("FetchOffsets", message, FetchedOffsets)

    async def delete_offsets(self, request: DeleteOffsets) -> DeletedOffsets:
        message = to_message(request, pb.DeleteOffsetsRequest)
        return await self._ask("DeleteOffsets", message, DeletedOffsets)

    async def describe_groups(self, group_ids: Sequence[str]) -> list[DescribedGroup]:
        answer = await self._call("DescribeGroups", pb.GroupIds(group_ids=group_ids))
        return [from_message(one, DescribedGroup) for one in answer.groups]

    async def list_groups(self, request: ListGroups) -> ListedGroups:
        return await self._ask(
            "ListGroups", to_message(request, pb.ListGroupsRequest), ListedGroups
        )

    async def delete_groups(self, group_ids: Sequence[str]) -> list[GroupResult]:
        answer = await self._call("DeleteGroups", pb.GroupIds(group_ids=group_ids))
        return [from_message(one, GroupResult) for one in answer.results]

    def consumer_heartbeat(self, request: ConsumerHeartbeat) -> Future[ConsumerHeartbeatTaken]:
        return self._submit(consumer_heartbeat_to_call(request), consumer_taken_of)

    async def describe_consumer_groups(
        self, group_ids: Sequence[str]
    ) -> list[DescribedConsumerGroup]:
        answer = await self._call("DescribeConsumerGroups", pb.GroupIds(group_ids=group_ids))
        return [from_message(one, DescribedConsumerGroup) for one in answer.groups]

    def _submit(self, call: pb.GroupCall, read: Callable[[pb.GroupAnswer], T]) -> Future[T]:
        self._check()
        return self._calls.submit(call, read)

    def _check(self) -> None:
        if self._reachability is not None:
            self._reachability.check()

    async def _ask(
        self,
        method: str,
        message: Message,
        answer: type[T],
        *,
        timeout_s: float | None = CALL_TIMEOUT_S,
    ) -> T:
        return from_message(await self._call(method, message, timeout_s=timeout_s), answer)

    async def _call(
        self, method: str, message: Message, *, timeout_s: float | None = CALL_TIMEOUT_S
    ) -> Any:
        self._check()
        with unavailable_on_failure(f"{self._name} {method}"):
            return await getattr(self._stub, method)(message, timeout=timeout_s)
