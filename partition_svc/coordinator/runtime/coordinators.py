"""The port `Coordinators` for the groups whose partitions this member owns.

Used in process by standalone mode, and by the gRPC servicer. One event loop calls everything here.
"""

import asyncio
from asyncio import Future
from collections.abc import Callable, Sequence
from time import time
from typing import Any, Final, TypeVar
from uuid import uuid4

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
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import (
    CommitOffsets,
    CommitResult,
    DeletedOffsets,
    DeleteOffsets,
    FetchedOffsets,
    FetchOffsets,
)
from common.runtime.cooperative import gather_bounded
from partition_svc.coordinator.classic.describe import is_listed
from partition_svc.coordinator.group.group import Group
from partition_svc.coordinator.records.result import Effects, Ticket
from partition_svc.coordinator.runtime.expiration import Sweeping
from partition_svc.coordinator.runtime.loop_lag import LoopLag
from partition_svc.coordinator.runtime.shard import Ask
from partition_svc.coordinator.runtime.shards import Logs, Shards
from partition_svc.coordinator.runtime.writer import Refused
from partition_svc.coordinator.settings import GroupSettings

T = TypeVar("T")

#: Of a client's or an instance's id, in the member id that is made of it. A member id must fit
#: into records, and into responses, whose texts have 32767 bytes at most.
_OWNER_CHARS_MAX: Final = 4096


class OwnedCoordinators:
    """Implements `common.ports.coordinators.Coordinators`. `start` it, `drain` it at the end.

    Whoever changes what `logs` has calls `follow` afterwards.
    """

    def __init__(self, logs: Logs, settings: GroupSettings, *, retention_check_ms: int) -> None:
        self._logs = logs
        self._loop = asyncio.get_running_loop()
        self._lag = LoopLag()
        self._shards = Shards(
            logs,
            settings,
            now_ms=lambda: int(self._loop.time() * 1000),
            wall_clock=lambda: int(time() * 1000),
            grace_s=self._lag.grace_s,
        )
        self._sweeping = Sweeping(logs, self._shards, retention_check_ms=retention_check_ms)

    def start(self) -> None:
        self._sweeping.start()

    def follow(self) -> None:
        self._shards.follow()
        self._sweeping.follow()

    async def drain(self) -> None:
        """Answers whoever waits, and nobody any more."""
        self._lag.close()
        await self._sweeping.close()
        await self._shards.drain()

    async def join_group(self, request: JoinGroup) -> Joined:
        owner = request.group_instance_id or request.client.client_id
        new_member_id = f"{owner[:_OWNER_CHARS_MAX]}-{uuid4()}"
        return await self._ask(
            request.group_id,
            lambda group, ticket, now_ms: group.join(request, ticket, now_ms, new_member_id),
            lambda refusal: Joined(refusal=refusal),
        )

    async def sync_group(self, request: SyncGroup) -> Synced:
        return await self._ask(
            request.group_id,
            lambda group, ticket, now_ms: group.sync(request, ticket, now_ms),
            lambda refusal: Synced(refusal=refusal),
        )

    def heartbeat(self, request: GroupHeartbeat) -> Future[HeartbeatTaken]:
        return self._ask(
            request.group_id,
            lambda group, ticket, now_ms: group.heartbeat(request, ticket, now_ms),
            lambda refusal: HeartbeatTaken(refusal=refusal),
        )

    async def leave_group(self, request: LeaveGroup) -> Left:
        return await self._ask(
            request.group_id,
            lambda group, ticket, now_ms: group.leave(request, ticket, now_ms),
            lambda refusal: Left(refusal=refusal),
        )

    def commit_offsets(self, request: CommitOffsets) -> Future[CommitResult]:
        return self._ask(
            request.group_id,
            lambda group, ticket, now_ms: group.commit(request, ticket, now_ms),
            lambda refusal: CommitResult(refusal=refusal),
        )

    async def fetch_offsets(self, request: FetchOffsets) -> FetchedOffsets:
        return await self._ask(
            request.group_id,
            lambda group, ticket, now_ms: group.fetch(request, ticket, now_ms),
            lambda refusal: FetchedOffsets(refusal=refusal),
        )

    async def delete_offsets(self, request: DeleteOffsets) -> DeletedOffsets:
        return await self._ask(
            request.group_id,
            lambda group, ticket, now_ms: group.delete_offsets(request, ticket, now_ms),
            lambda refusal: DeletedOffsets(refusal=refusal),
        )

    async def describe_groups(self, group_ids: Sequence[str]) -> list[DescribedGroup]:
        return await gather_bounded(self._describe, group_ids)

    async def delete_groups(self, group_ids: Sequence[str]) -> list[GroupResult]:
        return await gather_bounded(self._delete, group_ids)

    async def list_groups(self, request: ListGroups) -> ListedGroups:
        """Refused with COORDINATOR_LOAD_IN_PROGRESS while groups may be missing."""
        if self._shards.are_loading:
            return ListedGroups(refusal=GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)
        listed = [group.listed() for shard in self._shards for group in shard.groups()]
        return ListedGroups([one for one in listed if is_listed(one, request)])

    def consumer_heartbeat(self, request: ConsumerHeartbeat) -> Future[ConsumerHeartbeatTaken]:
        new_member_id = str(uuid4())
        return self._ask(
            request.group_id,
            lambda group, ticket, now_ms: group.consumer_heartbeat(
                request, ticket, now_ms, new_member_id
            ),
            lambda refusal: ConsumerHeartbeatTaken(refusal=refusal),
        )

    async def describe_consumer_groups(
        self, group_ids: Sequence[str]
    ) -> list[DescribedConsumerGroup]:
        return await gather_bounded(self._describe_consumer, group_ids)

    async def _describe(self, group_id: str) -> DescribedGroup:
        def describe(group: Group, ticket: Ticket, now_ms: int) -> Effects:
            description: Any = group.describe()
            return Effects(now_ms, [(ticket, description)])

        return await self._ask(
            group_id, describe, lambda refusal: DescribedGroup(group_id, refusal=refusal)
        )

    async def _describe_consumer(self, group_id: str) -> DescribedConsumerGroup:
        def describe(group: Group, ticket: Ticket, now_ms: int) -> Effects:
            description: Any = group.describe_consumer()
            return Effects(now_ms, [(ticket, description)])

        return await self._ask(
            group_id, describe, lambda refusal: DescribedConsumerGroup(group_id, refusal=refusal)
        )

    async def _delete(self, group_id: str) -> GroupResult:
        return await self._ask(
            group_id,
            lambda group, ticket, now_ms: group.delete(ticket, now_ms),
            lambda refusal: GroupResult(group_id, refusal),
        )

    def _ask(self, group_id: str, ask: Ask, refused: Callable[[GroupRefusal], T]) -> Future[T]:
        """The group's reply; `refused` makes one where no group could be asked."""
        try:
            shard = self._shards.of(group_id)
        except Refused as error:
            answer: Future[T] = self._loop.create_future()
            answer.set_result(refused(error.refusal))
            return answer
        return shard.ask(group_id, ask, refused)
