"""The port to group coordinators: members, generations, assignments, committed offsets.

A group belongs to one partition of `__consumer_offsets`, and its coordinator lives where that
partition does. Implemented by `partition_svc` and by the gateway's gRPC client. What happens to a
group, a member or a partition is data (`refusal`); the only exception is `BackendUnavailable`, for
a call that as a whole got no answer.
"""

from asyncio import Future
from collections.abc import Sequence
from typing import Final, Protocol

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

#: The internal topic that holds groups and committed offsets.
OFFSETS_TOPIC: Final = "__consumer_offsets"
#: Its number of partitions by default (GroupCoordinatorConfig of Apache Kafka).
OFFSETS_TOPIC_PARTITIONS: Final = 50


class Coordinators(Protocol):
    """Group coordinators, wherever they live. Every method raises `BackendUnavailable`.

    Calls about one group reach its coordinator in the order in which they were made as far as
    their callers wait for them; a join or a sync may wait for other members. Those that members
    make again and again are no coroutine functions: they have begun when they return.
    """

    async def join_group(self, request: JoinGroup) -> Joined: ...

    async def sync_group(self, request: SyncGroup) -> Synced: ...

    def heartbeat(self, request: GroupHeartbeat) -> "Future[HeartbeatTaken]": ...

    async def leave_group(self, request: LeaveGroup) -> Left: ...

    def commit_offsets(self, request: CommitOffsets) -> "Future[CommitResult]": ...

    async def fetch_offsets(self, request: FetchOffsets) -> FetchedOffsets: ...

    async def describe_groups(self, group_ids: Sequence[str]) -> list[DescribedGroup]: ...

    async def list_groups(self, request: ListGroups) -> ListedGroups: ...

    async def delete_groups(self, group_ids: Sequence[str]) -> list[GroupResult]: ...

    async def delete_offsets(self, request: DeleteOffsets) -> DeletedOffsets: ...

    def consumer_heartbeat(
        self, request: ConsumerHeartbeat
    ) -> "Future[ConsumerHeartbeatTaken]": ...

    async def describe_consumer_groups(
        self, group_ids: Sequence[str]
    ) -> list[DescribedConsumerGroup]: ...
