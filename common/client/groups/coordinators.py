"""The port `Coordinators` over all partition services: routes each call to its coordinator.

A coordinator may have moved, be loading its groups or be restarting. Then the call waits for a
change of the cluster and is retried, for a bounded time, where that is safe (`group_request.py`),
so that clients see latency in place of an error. Calls take no task where the first reply is final.
"""

import asyncio
import logging
from asyncio import Future
from collections.abc import Callable
from functools import partial

from common.client.groups.coordinator_retries import CoordinatorRetries
from common.client.groups.offsets_topic import OffsetsTopic
from common.cluster.group_partitions import group_partition
from common.ports.classic_groups import ListedGroups, ListGroups
from common.ports.coordinators import Coordinators
from common.ports.group_request import GroupRequest, ReplyT
from common.ports.metadata import Topic
from common.ports.unavailable import BackendUnavailable, CallNotSent, OwnerLost

log = logging.getLogger(__name__)


class RoutedCoordinators:
    """Implements `common.ports.coordinators.Coordinators`.

    `named` returns the coordinators of a member, None for an unknown member. `view_changed` must be
    called after every change of the cluster's view.
    """

    def __init__(
        self,
        topic: OffsetsTopic,
        named: Callable[[str], Coordinators | None],
        *,
        hold_s: float = 10.0,
    ) -> None:
        """No attempt of a call begins later than `hold_s` after the first."""
        self._topic = topic
        self._named = named
        self._retries = CoordinatorRetries(hold_s)

    def view_changed(self) -> None:
        self._retries.view_changed()

    def call(self, request: GroupRequest[ReplyT]) -> Future[ReplyT]:
        send, topic = partial(self._send, request), self._topic.known
        if topic is not None:
            try:
                first = self._coordinator(topic, request.group_id).call(request)
            except BackendUnavailable:
                pass  # the next attempt may reach it
            else:
                return self._retries.follow_up(request, send, first)
        return asyncio.ensure_future(self._retries.call(request, send))

    async def list_groups(self, request: ListGroups) -> ListedGroups:
        """Returns the groups by id, and the names of coordinators that did not respond."""
        topic = self._topic.known
        if topic is None:
            return ListedGroups()
        owners = sorted({placement.owner for placement in topic.partitions})
        lists = await asyncio.gather(*(self._list(name, request) for name in owners))
        groups = {group.group_id: group for listed in lists for group in listed.groups}
        return ListedGroups(
            [groups[group_id] for group_id in sorted(groups)],
            next((listed.refusal for listed in lists if listed.refusal is not None), None),
            [name for listed in lists for name in listed.unanswered],
        )

    async def _list(self, name: str, request: ListGroups) -> ListedGroups:
        """Returns the groups of one owner. Waits for groups that are being loaded, as calls do."""

        def missing(error: BackendUnavailable) -> ListedGroups:
            log.warning("Lists groups without those of %s: %s", name, error)
            return ListedGroups(unanswered=[name])

        async def send() -> ListedGroups:
            owner = self._owner(name)
            try:
                return await owner.list_groups(request)
            except OwnerLost:
                raise  # it may be back in a moment, and no member waits for this list
            except BackendUnavailable as error:
                return missing(error)

        try:
            self._owner(name)
            return await self._retries.call(request, send)
        except BackendUnavailable as error:
            return missing(error)

    async def _send(self, request: GroupRequest[ReplyT]) -> ReplyT:
        try:
            topic = await self._topic.get()
        except BackendUnavailable as error:
            raise CallNotSent(str(error)) from error
        return await self._coordinator(topic, request.group_id).call(request)

    def _coordinator(self, topic: Topic, group_id: str) -> Coordinators:
        """Raises `CallNotSent` where the owner of the group's partition is unknown."""
        partition = group_partition(group_id, len(topic.partitions))
        return self._owner(topic.partitions[partition].owner)

    def _owner(self, name: str) -> Coordinators:
        owner = self._named(name)
        if owner is None:
            raise CallNotSent(f"{name} is not known")
        return owner
