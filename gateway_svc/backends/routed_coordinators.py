"""The port `Coordinators` over all partition services: each group's calls go to its coordinator.

A coordinator may not be one any more, or not yet: its partition moves, it is being loaded, its
service is restarting. Then the call waits for the cluster to change and is made again, for a
bounded time, and clients see latency in place of an error. All of these calls may be made again:
Kafka's own clients do so when they get no answer. What members ask again and again costs no task
where the first answer is one.
"""

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol, TypeAlias, TypeVar

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
from common.ports.metadata import Topic
from common.ports.unavailable import BackendUnavailable
from gateway_svc.backends.group_topic import GroupTopic
from gateway_svc.backends.view_changes import ViewChanges


class _Refusable(Protocol):
    refusal: GroupRefusal | None


AnswerT = TypeVar("AnswerT", bound=_Refusable)

#: How a group's coordinator is asked; with `_Begin` it has been when this returns.
_Ask: TypeAlias = Callable[[Coordinators], Awaitable[AnswerT]]
_Begin: TypeAlias = Callable[[Coordinators], Future[AnswerT]]

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
        self._asking: set[asyncio.Task[Any]] = set()

    def view_changed(self) -> None:
        self._changes.tell()

    async def join_group(self, request: JoinGroup) -> Joined:
        return await self._ask(request.group_id, lambda owner: owner.join_group(request))

    async def sync_group(self, request: SyncGroup) -> Synced:
        return await self._ask(request.group_id, lambda owner: owner.sync_group(request))

    def heartbeat(self, request: GroupHeartbeat) -> Future[HeartbeatTaken]:
        return self._begin(request.group_id, lambda owner: owner.heartbeat(request))

    async def leave_group(self, request: LeaveGroup) -> Left:
        return await self._ask(request.group_id, lambda owner: owner.leave_group(request))

    def commit_offsets(self, request: CommitOffsets) -> Future[CommitResult]:
        return self._begin(request.group_id, lambda owner: owner.commit_offsets(request))

    async def fetch_offsets(self, request: FetchOffsets) -> FetchedOffsets:
        return await self._ask(request.group_id, lambda owner: owner.fetch_offsets(request))

    async def delete_offsets(self, request: DeleteOffsets) -> DeletedOffsets:
        return await self._ask(request.group_id, lambda owner: owner.delete_offsets(request))

    def consumer_heartbeat(self, request: ConsumerHeartbeat) -> Future[ConsumerHeartbeatTaken]:
        return self._begin(request.group_id, lambda owner: owner.consumer_heartbeat(request))

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

    def _begin(self, group_id: str, ask: _Begin[AnswerT]) -> Future[AnswerT]:
        """As `_ask`, which goes on only where the first answer is none."""
        topic = self._topic.known
        if topic is None:
            return asyncio.ensure_future(self._ask(group_id, ask))
        try:
            first = ask(self._owner(topic, group_id))
        except BackendUnavailable:
            return asyncio.ensure_future(self._ask(group_id, ask))
        answer: Future[AnswerT] = asyncio.get_running_loop().create_future()
        until = asyncio.get_running_loop().time() + self._hold_s
        first.add_done_callback(partial(self._on_first, answer, group_id, ask, until))
        return answer

    def _on_first(
        self,
        answer: Future[AnswerT],
        group_id: str,
        ask: _Begin[AnswerT],
        until: float,
        first: Future[AnswerT],
    ) -> None:
        has_failed = first.cancelled() or first.exception() is not None
        if answer.done():
            # The caller went away.
            return
        if not has_failed and first.result().refusal not in _PASSING:
            answer.set_result(first.result())
            return
        task = asyncio.get_running_loop().create_task(self._ask_again(group_id, ask, until, first))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        task.add_done_callback(partial(_hand_over, answer))
        answer.add_done_callback(lambda _: task.cancel())

    async def _ask(self, group_id: str, ask: _Ask[AnswerT]) -> AnswerT:
        """The coordinator's answer; it is looked for anew while it seems to be somewhere else.

        Raises:
            BackendUnavailable: it could not be reached in time.
        """
        until = asyncio.get_running_loop().time() + self._hold_s
        return await self._ask_again(group_id, ask, until, self._ask_once(group_id, ask))

    async def _ask_again(
        self, group_id: str, ask: _Ask[AnswerT], until: float, first: Awaitable[AnswerT]
    ) -> AnswerT:
        """As `_ask`, where that was begun already and `first` is what it got."""
        time, asked, pause_s = asyncio.get_running_loop().time, first, _PAUSE_S_MIN
        while True:
            try:
                answer = await asked
            except BackendUnavailable:
                if time() >= until:
                    raise
            else:
                if answer.refusal not in _PASSING or time() >= until:
                    return answer
            await self._changes.wait(min(pause_s, max(0.0, until - time())))
            pause_s = min(2 * pause_s, _PAUSE_S_MAX)
            asked = self._ask_once(group_id, ask)

    async def _ask_once(self, group_id: str, ask: _Ask[AnswerT]) -> AnswerT:
        return await ask(self._owner(await self._topic.get(), group_id))

    def _owner(self, topic: Topic, group_id: str) -> Coordinators:
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


def _hand_over(answer: "Future[AnswerT]", task: "asyncio.Task[AnswerT]") -> None:
    """What the task has come to becomes the answer."""
    if answer.done():
        return
    error = BackendUnavailable("was cancelled") if task.cancelled() else task.exception()
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())


def _by_id(groups: Sequence[ListedGroup]) -> list[ListedGroup]:
    return sorted(groups, key=lambda one: one.group_id)
