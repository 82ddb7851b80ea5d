"""The port `Coordinators` for the groups whose partitions this member owns.

Used in process by standalone mode, and by the gRPC servicer. One event loop calls everything here.
"""

import asyncio
from asyncio import Future
from collections.abc import Callable, Mapping
from time import time
from typing import Any, Final
from uuid import uuid4

from common.ports.classic_groups import (
    DeleteGroup,
    DescribeGroup,
    GroupHeartbeat,
    JoinGroup,
    LeaveGroup,
    ListedGroups,
    ListGroups,
    SyncGroup,
)
from common.ports.consumer_groups import ConsumerHeartbeat, DescribeConsumerGroup
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommitOffsets, DeleteOffsets, FetchOffsets
from common.ports.group_request import GroupRequest, ReplyT
from partition_svc.coordinator.classic.describe import is_listed
from partition_svc.coordinator.group.group import Group
from partition_svc.coordinator.records.result import CoordinatorResult, PendingReply
from partition_svc.coordinator.runtime.expiration import OffsetExpiration
from partition_svc.coordinator.runtime.loop_lag import LoopLag
from partition_svc.coordinator.runtime.shards import OwnedLogs, Shards
from partition_svc.coordinator.runtime.writer import CoordinatorRefused
from partition_svc.coordinator.settings import GroupSettings

#: The prefix of a client or instance id that a member id contains. A member id must fit into
#: records and responses, whose strings have at most 32767 bytes.
_OWNER_CHARS_MAX: Final = 4096


#: Executes a request on its group, given the pending reply and the time in ms.
_Handler = Callable[[Group, Any, PendingReply, int], CoordinatorResult]

_HANDLERS: Final[Mapping[type[GroupRequest[Any]], _Handler]] = {
    JoinGroup: lambda group, request, reply, now_ms: group.join(
        request, reply, now_ms, _new_member_id(request)
    ),
    SyncGroup: Group.sync,
    GroupHeartbeat: Group.heartbeat,
    LeaveGroup: Group.leave,
    CommitOffsets: Group.commit,
    FetchOffsets: Group.fetch,
    DeleteOffsets: Group.delete_offsets,
    ConsumerHeartbeat: lambda group, request, reply, now_ms: group.consumer_heartbeat(
        request, reply, now_ms, str(uuid4())
    ),
    DescribeGroup: lambda group, _, reply, now_ms: CoordinatorResult(
        now_ms, [(reply, group.describe())]
    ),
    DescribeConsumerGroup: lambda group, _, reply, now_ms: CoordinatorResult(
        now_ms, [(reply, group.describe_consumer())]
    ),
    DeleteGroup: lambda group, _, reply, now_ms: group.delete(reply, now_ms),
}


class OwnedCoordinators:
    """Implements `common.ports.coordinators.Coordinators`.

    Call `start` first, `follow` after every change of `logs`, and `drain` at the end.
    """

    def __init__(
        self, logs: OwnedLogs, settings: GroupSettings, *, retention_check_ms: int
    ) -> None:
        self._logs = logs
        self._loop = asyncio.get_running_loop()
        self._lag = LoopLag()
        self._shards = Shards(
            logs,
            lambda group_id: Group(group_id, settings, logs.view, _wall_clock_ms),
            now_ms=lambda: int(self._loop.time() * 1000),
            grace_s=self._lag.grace_s,
        )
        self._expiration = OffsetExpiration(
            logs, self._shards, retention_check_ms=retention_check_ms
        )

    def start(self) -> None:
        self._expiration.start()

    def follow(self) -> None:
        self._shards.follow()
        self._expiration.follow()

    async def drain(self) -> None:
        """Refuses waiting requests and all later ones; writes in flight are awaited."""
        self._lag.close()
        await self._expiration.close()
        await self._shards.drain()

    def call(self, request: GroupRequest[ReplyT]) -> Future[ReplyT]:
        try:
            shard = self._shards.of(request.group_id)
        except CoordinatorRefused as error:
            refused: Future[ReplyT] = self._loop.create_future()
            refused.set_result(request.refused(error.refusal))
            return refused
        handle = _HANDLERS[type(request)]
        return shard.execute(
            request.group_id,
            lambda group, reply, now_ms: handle(group, request, reply, now_ms),
            request.refused,
        )

    async def list_groups(self, request: ListGroups) -> ListedGroups:
        """CoordinatorRefused with COORDINATOR_LOAD_IN_PROGRESS while groups may be missing."""
        if self._shards.are_loading:
            return ListedGroups(refusal=GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)
        listed = [group.as_listed_group() for shard in self._shards for group in shard.groups()]
        return ListedGroups([group for group in listed if is_listed(group, request)])


def _new_member_id(request: JoinGroup) -> str:
    owner = request.group_instance_id or request.client.client_id
    return f"{owner[:_OWNER_CHARS_MAX]}-{uuid4()}"


def _wall_clock_ms() -> int:
    return int(time() * 1000)
