"""All groups of one partition of `__consumer_offsets`, under one leader epoch.

Groups decide (`group.py`), `writing.py` makes it durable, and only then is anybody answered.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from common.ports.group_refusal import GroupRefusal
from partition_svc.coordinator.effects import Effects
from partition_svc.coordinator.effects import Ticket as AnyTicket
from partition_svc.coordinator.fields import Malformed
from partition_svc.coordinator.group import Group
from partition_svc.coordinator.group_settings import GroupSettings
from partition_svc.coordinator.loading import LoadedGroup
from partition_svc.coordinator.timers import Deadlines
from partition_svc.coordinator.topic_patterns import Topics
from partition_svc.coordinator.writing import Ticket, Writing, refuse

log = logging.getLogger(__name__)

#: What is asked of a group: with the ticket for the answer, and the time in ms.
Ask: TypeAlias = Callable[[Group, AnyTicket, int], Effects]


class Shard:
    """Made of what the log says. Once it has ended, it answers nobody; another takes its place."""

    def __init__(
        self, settings: GroupSettings, view: Topics, writing: Writing, *, now_ms: Callable[[], int]
    ) -> None:
        """`view`: the topics that there are, at any time. `now_ms` never goes back."""
        self._settings = settings
        self._view = view
        self._writing = writing
        self._now_ms = now_ms
        self._groups: dict[str, Group] = {}
        self._deadlines = Deadlines(now_ms, self._on_due)
        #: Why nobody is answered any more.
        self.refusal: GroupRefusal | None = None

    def restore(self, loaded: Mapping[str, LoadedGroup]) -> None:
        """Goes on with groups as the log has them."""
        for group_id, one in loaded.items():
            group = Group(group_id, self._settings, self._view)
            consumer = list(one.consumer.values())
            group.resume(one.stored, consumer, one.offsets, self._now_ms())
            self._keep(group_id, group)

    def ask(
        self,
        group_id: str,
        ask: Ask,
        refused: Callable[[GroupRefusal], Any] | None = None,
    ) -> asyncio.Future[Any]:
        """The group's reply, once it holds. A caller that goes away takes nothing back.

        Where the shard was closed or could not write, it is what `refused` makes of that, or
        `Refused` is raised.
        """
        ticket = Ticket(refused)
        if self.refusal is not None:
            ticket.refuse(self.refusal)
            return ticket
        group = self._groups.get(group_id) or Group(group_id, self._settings, self._view)
        self._take(group_id, group, ask(group, ticket, self._now_ms()))
        return ticket

    def tell(self, group_id: str, tell: Callable[[Group, int], Effects]) -> None:
        """Something happens to a group that nobody has asked for."""
        group = self._groups.get(group_id)
        if group is not None and self.refusal is None:
            self._take(group_id, group, tell(group, self._now_ms()))

    @property
    def group_ids(self) -> list[str]:
        return list(self._groups)

    def groups(self) -> Iterator[Group]:
        return iter(self._groups.values())

    def close(self, refusal: GroupRefusal) -> None:
        """Refuses everybody who waits: the partition is not ours, or the log knows better."""
        self._writing.close(refusal)
        self.end(refusal)

    async def settled(self) -> None:
        """Waits until the log holds whatever this shard gave to it."""
        await self._writing.settled()

    def end(self, refusal: GroupRefusal) -> None:
        """Refuses whoever waits for other members. Whoever waits for a write is still answered."""
        if self.refusal is not None:
            return
        self.refusal = refusal
        self._deadlines.close()
        for group_id, group in self._groups.items():
            self._writing.take(group_id, group.abandon(refusal, self._now_ms()))

    def _take(self, group_id: str, group: Group, effects: Effects) -> None:
        self._keep(group_id, group)
        try:
            self._writing.take(group_id, effects)
        except Malformed as error:
            # Requests are checked before; the log knows what the group was.
            log.error("group %r cannot be written: %s", group_id, error)
            self._writing.fail(GroupRefusal.COORDINATOR_NOT_AVAILABLE)
            refuse(effects.replies, GroupRefusal.COORDINATOR_NOT_AVAILABLE)

    def _keep(self, group_id: str, group: Group) -> None:
        if group.is_void:
            self._groups.pop(group_id, None)
            self._deadlines.note(group_id, None)
        else:
            self._groups[group_id] = group
            self._deadlines.note(group_id, group.next_deadline)

    def _on_due(self, group_id: str) -> None:
        self.tell(group_id, Group.on_time)
