"""The port `Coordinators` over all partition services: each group's calls go to its coordinator.

A coordinator may not be one any more, or not yet: its partition moves, it is being loaded, its
service is restarting. Then the call waits for the cluster to change and is made again, for a
bounded time, where that is safe (`coordinator_calls.py`), and clients see latency in place of an
error. What members call again and again costs no task where the first answer is one.
"""

import asyncio
import logging
from asyncio import Future
from collections.abc import Callable, Sequence
from functools import partial

from common.client.groups.coordinator_calls import (
    AnswerT,
    CoordinatorCall,
    consumer_heartbeat_call,
    delete_call,
    join_call,
    leave_call,
    sync_call,
)
from common.client.groups.coordinator_retries import CoordinatorRetries
from common.client.groups.offsets_topic import GroupTopic
from common.cluster.group_partitions import group_partition
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
from common.ports.coordinators import Coordinators
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import (
    CommitOffsets,
    CommitResult,
    DeletedOffsets,
    DeleteOffsets,
    FetchedOffsets,
    FetchOffsets,
)
from common.ports.metadata import Topic
from common.ports.unavailable import BackendUnavailable, CallNotSent, OwnerLost
from common.runtime.cooperative import gather_bounded

log = logging.getLogger(__name__)


class RoutedCoordinators:
    """Implements `common.ports.coordinators.Coordinators`.

    `named` gives the coordinators of a member, None where it was never heard of. Whoever changes
    `view` calls `view_changed` afterwards. Calls about several groups do not fail as a whole: a
    group whose coordinator does not answer is refused with COORDINATOR_NOT_AVAILABLE.
    """

    def __init__(
        self,
        topic: GroupTopic,
        named: Callable[[str], Coordinators | None],
        *,
        hold_s: float = 10.0,
    ) -> None:
        """A call is not made again later than `hold_s` after it was made first."""
        self._topic = topic
        self._named = named
        self._retries = CoordinatorRetries(hold_s)

    def view_changed(self) -> None:
        self._retries.view_changed()

    async def join_group(self, request: JoinGroup) -> Joined:
        return await self._call(request.group_id, join_call(request))

    async def sync_group(self, request: SyncGroup) -> Synced:
        return await self._call(request.group_id, sync_call(request))

    def heartbeat(self, request: GroupHeartbeat) -> Future[HeartbeatTaken]:
        call = CoordinatorCall(lambda owner: owner.heartbeat(request))
        return self._begin(request.group_id, call)

    async def leave_group(self, request: LeaveGroup) -> Left:
        return await self._call(request.group_id, leave_call(request))

    def commit_offsets(self, request: CommitOffsets) -> Future[CommitResult]:
        call = CoordinatorCall(lambda owner: owner.commit_offsets(request))
        return self._begin(request.group_id, call)

    async def fetch_offsets(self, request: FetchOffsets) -> FetchedOffsets:
        call = CoordinatorCall(lambda owner: owner.fetch_offsets(request))
        return await self._call(request.group_id, call)

    async def delete_offsets(self, request: DeleteOffsets) -> DeletedOffsets:
        call = CoordinatorCall(lambda owner: owner.delete_offsets(request))
        return await self._call(request.group_id, call)

    def consumer_heartbeat(self, request: ConsumerHeartbeat) -> Future[ConsumerHeartbeatTaken]:
        return self._begin(request.group_id, consumer_heartbeat_call(request))

    async def describe_groups(self, group_ids: Sequence[str]) -> list[DescribedGroup]:
        return await gather_bounded(self._describe, group_ids)

    async def describe_consumer_groups(
        self, group_ids: Sequence[str]
    ) -> list[DescribedConsumerGroup]:
        return await gather_bounded(self._describe_consumer, group_ids)

    async def delete_groups(self, group_ids: Sequence[str]) -> list[GroupResult]:
        return await gather_bounded(self._delete, group_ids)

    async def list_groups(self, request: ListGroups) -> ListedGroups:
        """The groups of all coordinators, by id; those that do not answer are named in it."""
        topic = self._topic.known
        if topic is None:
            return ListedGroups()
        owners = sorted({placement.owner for placement in topic.partitions})
        found = await asyncio.gather(*(self._list(name, request) for name in owners))
        groups = {group.group_id: group for one in found for group in one.groups}
        return ListedGroups(
            [groups[group_id] for group_id in sorted(groups)],
            next((one.refusal for one in found if one.refusal is not None), None),
            [name for one in found for name in one.unanswered],
        )

    async def _describe(self, group_id: str) -> DescribedGroup:
        async def describe(owner: Coordinators) -> DescribedGroup:
            (found,) = await owner.describe_groups([group_id])
            return found

        try:
            return await self._call(group_id, CoordinatorCall(describe))
        except BackendUnavailable:
            return DescribedGroup(group_id, refusal=GroupRefusal.COORDINATOR_NOT_AVAILABLE)

    async def _describe_consumer(self, group_id: str) -> DescribedConsumerGroup:
        async def describe(owner: Coordinators) -> DescribedConsumerGroup:
            (found,) = await owner.describe_consumer_groups([group_id])
            return found

        try:
            return await self._call(group_id, CoordinatorCall(describe))
        except BackendUnavailable:
            return DescribedConsumerGroup(group_id, refusal=GroupRefusal.COORDINATOR_NOT_AVAILABLE)

    async def _delete(self, group_id: str) -> GroupResult:
        try:
            return await self._call(group_id, delete_call(group_id))
        except BackendUnavailable:
            return GroupResult(group_id, GroupRefusal.COORDINATOR_NOT_AVAILABLE)

    async def _list(self, name: str, request: ListGroups) -> ListedGroups:
        """The groups of one owner. A list waits for groups that are being loaded, as calls do."""

        async def list_groups(owner: Coordinators) -> ListedGroups:
            try:
                return await owner.list_groups(request)
            except OwnerLost:
                raise  # it may be back in a moment, and nothing waits for this list
            except BackendUnavailable as error:
                return unanswered(error)

        def unanswered(error: BackendUnavailable) -> ListedGroups:
            log.warning("Lists groups without those of %s: %s", name, error)
            return ListedGroups(unanswered=[name])

        async def find() -> Coordinators:
            return self._owner(name)

        try:
            self._owner(name)
            return await self._retries.call(find, CoordinatorCall(list_groups))
        except BackendUnavailable as error:
            return unanswered(error)

    async def _call(self, group_id: str, call: CoordinatorCall[AnswerT]) -> AnswerT:
        return await self._retries.call(partial(self._coordinator, group_id), call)

    def _begin(self, group_id: str, call: CoordinatorCall[AnswerT]) -> Future[AnswerT]:
        """As `_call`, begun when this returns where the coordinator is known."""
        topic = self._topic.known
        if topic is None:
            return asyncio.ensure_future(self._call(group_id, call))
        try:
            first = asyncio.ensure_future(call.make(self._coordinator_in(topic, group_id)))
        except BackendUnavailable:
            return asyncio.ensure_future(self._call(group_id, call))
        return self._retries.follow_up(partial(self._coordinator, group_id), call, first)

    async def _coordinator(self, group_id: str) -> Coordinators:
        return self._coordinator_in(await self._topic.get(), group_id)

    def _coordinator_in(self, topic: Topic, group_id: str) -> Coordinators:
        partition = group_partition(group_id, len(topic.partitions))
        return self._owner(topic.partitions[partition].owner)

    def _owner(self, name: str) -> Coordinators:
        owner = self._named(name)
        if owner is None:
            raise CallNotSent(f"{name} is not known")
        return owner
