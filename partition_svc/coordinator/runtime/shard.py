"""All groups of one partition of `__consumer_offsets`, under one leader epoch.

Groups decide (`group.py`), `writer.py` makes it durable, and only then is anybody answered. A call
that raises, or decides what cannot be written, is refused and its group rolled back to what the log
says of it. The other groups do not notice.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.consumer.topic_patterns import Topics
from partition_svc.coordinator.group.group import Group
from partition_svc.coordinator.records.fields import MalformedRecord
from partition_svc.coordinator.records.result import CoordinatorResult, PendingReply
from partition_svc.coordinator.runtime.loader import LoadedGroup
from partition_svc.coordinator.runtime.timers import Deadlines
from partition_svc.coordinator.runtime.writer import CoordinatorWriter, RecordTooLarge, ReplyFuture
from partition_svc.coordinator.settings import GroupSettings

log = logging.getLogger(__name__)

#: Of a group's id, in log lines: clients choose it.
_LOGGED_CHARS: Final = 200

#: What is asked of a group: with the ticket for the answer, and the time in ms.
Ask: TypeAlias = Callable[[Group, PendingReply, int], CoordinatorResult]


class Shard:
    """Made of what the log says. Once it has ended, it answers nobody; another takes its place."""

    def __init__(  # noqa: PLR0913 - what a shard works with
        self,
        settings: GroupSettings,
        view: Topics,
        writing: CoordinatorWriter,
        *,
        now_ms: Callable[[], int],
        wall_clock: Callable[[], int] | None = None,
        grace_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`view`: the topics that there are, at any time. `now_ms` never goes back.

        `wall_clock`: see `CoordinatorResult`; `grace_s`: see `Deadlines`.
        """
        self._settings = settings
        self._view = view
        self._writing = writing
        self._now_ms, self._wall_clock = now_ms, wall_clock
        self._groups: dict[str, Group] = {}
        #: Requests that wait for other members, by group.
        self._waiting: dict[str, set[PendingReply]] = {}
        self._deadlines = Deadlines(now_ms, self._on_due, grace_s=grace_s)
        #: Why nobody is answered any more.
        self.refusal: GroupRefusal | None = None

    def restore(self, loaded: Mapping[str, LoadedGroup]) -> None:
        """Goes on with groups as the log has them."""
        for group_id, one in loaded.items():
            group = self._new(group_id)
            consumer = list(one.consumer.values())
            try:
                group.restore(one.stored, consumer, one.offsets, self._now_ms())
            except Exception:
                log.exception("cannot restore the members of group %r", group_id[:_LOGGED_CHARS])
                self._begin_without_members(group_id, group)
            self._keep(group_id, group)

    def ask(
        self,
        group_id: str,
        ask: Ask,
        refused: Callable[[GroupRefusal], Any] | None = None,
    ) -> asyncio.Future[Any]:
        """The group's reply, once it holds. A caller that goes away takes nothing back.

        Where the shard was closed or could not write, or the group failed, it is what `refused`
        makes of that, or `Refused` is raised.
        """
        ticket = ReplyFuture(refused)
        if self.refusal is not None:
            ticket.reject(self.refusal)
            return ticket
        group = self._groups.get(group_id) or self._new(group_id)
        effects = self._call(group_id, group, ask, ticket, self._now_ms())
        if effects is None:
            ticket.reject(GroupRefusal.UNKNOWN_SERVER_ERROR)
        else:
            self._note_waiting(group_id, ticket, effects)
        return ticket

    def tell(self, group_id: str, tell: Callable[[Group, int], CoordinatorResult]) -> None:
        """Something happens to a group that nobody has asked for."""
        group = self._groups.get(group_id)
        if group is None or self.refusal is not None:
            return
        effects = self._call(group_id, group, tell, self._now_ms())
        if effects is not None:
            self._note_waiting(group_id, None, effects)

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
        for group_id in list(self._waiting):
            self._refuse_waiting(group_id, refusal)

    def _call(
        self, group_id: str, group: Group, call: Callable[..., CoordinatorResult], *args: Any
    ) -> CoordinatorResult | None:
        """What `call` came to, which is written; None: it failed, and the group is rolled back."""
        try:
            effects = call(group, *args)
            self._writing.take(group_id, effects)
        except (MalformedRecord, RecordTooLarge) as error:
            log.warning("refuses a request to group %r: %s", group_id[:_LOGGED_CHARS], error)
        except Exception:
            log.exception("a request to group %r failed", group_id[:_LOGGED_CHARS])
        else:
            group.confirm(effects.records)
            self._keep(group_id, group)
            return effects
        self._roll_back(group_id, group)
        return None

    def _new(self, group_id: str) -> Group:
        return Group(group_id, self._settings, self._view, self._wall_clock)

    def _note_waiting(
        self, group_id: str, ticket: PendingReply | None, effects: CoordinatorResult
    ) -> None:
        """Knows which requests have no reply yet; nearly all have one at once."""
        replies = effects.replies
        if len(replies) == 1 and replies[0][0] is ticket:
            return
        waiting = self._waiting.setdefault(group_id, set())
        if ticket is not None:
            waiting.add(ticket)
        waiting.difference_update(answered for answered, _ in replies)
        if not waiting:
            del self._waiting[group_id]

    def _roll_back(self, group_id: str, group: Group) -> None:
        """The group is again what its log says. Who waits for its members is to join again."""
        self._refuse_waiting(group_id, GroupRefusal.REBALANCE_IN_PROGRESS)
        try:
            group.roll_back(self._now_ms())
        except Exception:
            log.exception("cannot restore the members of group %r", group_id[:_LOGGED_CHARS])
            self._begin_without_members(group_id, group)
        self._keep(group_id, group)

    def _refuse_waiting(self, group_id: str, refusal: GroupRefusal) -> None:
        for ticket in self._waiting.pop(group_id, ()):
            ticket.reject(refusal)

    def _begin_without_members(self, group_id: str, group: Group) -> None:
        effects = group.reset_members(self._now_ms())
        self._writing.take(group_id, effects)
        group.confirm(effects.records)

    def _keep(self, group_id: str, group: Group) -> None:
        if not group.exists:
            self._groups.pop(group_id, None)
            self._deadlines.note(group_id, None)
        else:
            self._groups[group_id] = group
            self._deadlines.note(group_id, group.next_deadline)

    def _on_due(self, group_id: str) -> None:
        self.tell(group_id, Group.on_deadline)
