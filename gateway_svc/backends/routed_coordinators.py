"""The port `Coordinators` over all partition services: each group's calls go to its coordinator.

A coordinator may not be one any more, or not yet: its partition moves, it is being loaded, its
service is restarting. Then the call waits for the cluster to change and is made again, for a
bounded time, and clients see latency in place of an error. All of these calls may be made again:
Kafka's own clients do so when they get no answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

from common.cluster_view import ClusterView
from common.group_partitions import group_partition
from common.ports.classic_groups import (
    DescribedGroup,
    GroupHeartbeat,
    GroupResult,
    HeartbeatTaken,
    Joined,
    JoinGroup,
    LeaveGroup,
    Left,
    ListedGroup,
    ListedGroups,
    ListGroups,
    Synced,
    SyncGroup,
)
from common.ports.consumer_groups import ConsumerGroup, ConsumerHeartbeat, ConsumerHeartbeatTaken
from common.ports.coordinators import Coordinators
from common.ports.group_offsets import (
    CommitOffsets,
    CommitResult,
    DeletedOffsets,
    DeleteOffsets,
    FetchedOffsets,
    FetchOffsets,
)
from common.ports.group_refusal import GroupRefusal
from common.ports.unavailable import BackendUnavailable
from gateway_svc.backends.group_topic import GroupTopic
from gateway_svc.backends.view_changes import ViewChanges


class _Refusable(Protocol):
    refusal: GroupRefusal | None


AnswerT = TypeVar("AnswerT", bound=_Refusable)

#: They end by themselves, mostly within milliseconds.
_PASSING: Final = (GroupRefusal.NOT_COORDINATOR, GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)

_PAUSE_S_MIN: Final = 0.02
_PAUSE_S_MAX: Final = 0.5


class RoutedCoordinators:
    """Implements `common.ports.coordinators.Coordinators`.

    `named` gives the coordinators of a member, None where it was never heard of. Whoever changes
    `view` calls `view_changed` afterwards.
    """

    def __init__(
        self,
        view: ClusterView,
        topic: GroupTopic,
        named: Callable[[str], Coordinators | None],
        *,
        hold_s: float = 10.0,
    ) -> None:
        """A call is not made again later than `hold_s` after it was made first."""
        self._view = view
        self._topic = topic
        self._named = named
        self._hold_s = hold_s
        self._changes = ViewChanges()

    def view_changed(self) -> None:
        self._changes.tell()

    async def join_group(self, request: JoinGroup) -> Joined:
        return await self._ask(request.group_id, lambda owner: owner.join_group(request))

    async def sync_group(self, request: SyncGroup) -> Synced:
        return await self._ask(request.group_id, lambda owner: owner.sync_group(request))

    async def heartbeat(self, request: GroupHeartbeat) -> HeartbeatTaken:
        return await self._ask(request.group_id, lambda owner: owner.heartbeat(request))

    async def leave_group(self, request: LeaveGroup) -> Left:
        return await self._ask(request.group_id, lambda owner: owner.leave_group(request))

    async def commit_offsets(self, request: CommitOffsets) -> CommitResult:
        return await self._ask(request.group_id, lambda owner: owner.commit_offsets(request))

    async def fetch_offsets(self, request: FetchOffsets) -> FetchedOffsets:
        return await self._ask(request.group_id, lambda owner: owner.fetch_offsets(request))

    async def delete_offsets(self, request: DeleteOffsets) -> DeletedOffsets:
        return await self._ask(request.group_id, lambda owner: owner.delete_offsets(request))

    async def consumer_heartbeat(self, request: ConsumerHeartbeat) -> ConsumerHeartbeatTaken:
        return await self._ask(request.group_id, lambda owner: owner.consumer_heartbeat(request))

    async def describe_groups(self, group_ids: Sequence[str]) -> list[DescribedGroup]:
        return await asyncio.gather(
            *(self._ask(one, _one(Coordinators.describe_groups, one)) for one in group_ids)
        )

    async def delete_groups(self, group_ids: Sequence[str]) -> list[GroupResult]:
        return await asyncio.gather(
            *(self._ask(one, _one(Coordinators.delete_groups, one)) for one in group_ids)
        )

    async def describe_consumer_groups(self, group_ids: Sequence[str]) -> list[ConsumerGroup]:
        return await asyncio.gather(
            *(self._ask(one, _one(Coordinators.describe_consumer_groups, one)) for one in group_ids)
        )

    async def list_groups(self, request: ListGroups) -> ListedGroups:
        """The groups of all members. Raises `BackendUnavailable` where one does not answer."""
        topic = await self._topic.get()
        owners = sorted({placement.owner for placement in topic.partitions})
        found = [await self._list(name, request) for name in owners]
        refusals = [one.refusal for one in found if one.refusal is not None]
        groups = [group for one in found for group in one.groups]
        return ListedGroups(_by_id(groups), refusals[0] if refusals else None)

    async def _list(self, name: str, request: ListGroups) -> ListedGroups:
        owner = self._named(name)
        if owner is None:
            raise BackendUnavailable(f"{name} is not known")
        return await owner.list_groups(request)

    async def _ask(
        self, group_id: str, ask: Callable[[Coordinators], Awaitable[AnswerT]]
    ) -> AnswerT:
        """The coordinator's answer; it is looked for anew while it seems to be somewhere else.

        Raises:
            BackendUnavailable: it could not be reached in time.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._hold_s
        pause_s = _PAUSE_S_MIN
        while True:
            try:
                answer = await ask(await self._coordinator(group_id))
            except BackendUnavailable:
                if loop.time() >= until:
                    raise
            else:
                if answer.refusal not in _PASSING or loop.time() >= until:
                    return answer
            await self._changes.wait(min(pause_s, max(0.0, until - loop.time())))
            pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    async def _coordinator(self, group_id: str) -> Coordinators:
        topic = await self._topic.get()
        name = topic.partitions[group_partition(group_id, len(topic.partitions))].owner
        owner = self._named(name)
        if owner is None:
            raise BackendUnavailable(f"{name} is not known")
        return owner


def _one(
    method: Callable[[Any, Sequence[str]], Awaitable[list[AnswerT]]], group_id: str
) -> Callable[[Coordinators], Awaitable[AnswerT]]:
    """A call about many groups as one about a single group: each has a coordinator of its own."""

    async def ask(owner: Coordinators) -> AnswerT:
        answers: list[AnswerT] = await getattr(owner, method.__name__)([group_id])
        return answers[0]

    return ask


def _by_id(groups: Sequence[ListedGroup]) -> list[ListedGroup]:
    return sorted(groups, key=lambda one: one.group_id)
