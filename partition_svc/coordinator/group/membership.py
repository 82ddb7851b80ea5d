"""Who is in a group: as a classic or as a consumer group, and how the one becomes the other.

Without members a group becomes what the next one wants. With members it is upgraded where somebody
comes with the consumer protocol, and downgraded when the last of them has gone (`upgrade.py`,
`downgrade.py`; group.consumer.migration.policy).
"""

from collections.abc import Sequence
from dataclasses import replace

from common.ports.classic_groups import (
    GroupHeartbeat,
    HeartbeatTaken,
    JoinGroup,
    LeaveGroup,
    Left,
    SyncGroup,
)
from common.ports.consumer_groups import ConsumerHeartbeat, ConsumerHeartbeatTaken
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic import timeouts as classic_timeouts
from partition_svc.coordinator.classic.group import ClassicGroup, ClassicGroupState
from partition_svc.coordinator.classic.heartbeat import heartbeat
from partition_svc.coordinator.classic.join import Joining, join
from partition_svc.coordinator.classic.leave import leave
from partition_svc.coordinator.classic.sync import sync
from partition_svc.coordinator.consumer import classic_join, classic_member, downgrade
from partition_svc.coordinator.consumer import timeouts as consumer_timeouts
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.heartbeat import consumer_heartbeat
from partition_svc.coordinator.consumer.member import JOIN_GROUP_MEMBER_EPOCH
from partition_svc.coordinator.consumer.restore import restored
from partition_svc.coordinator.consumer.topic_patterns import Topics
from partition_svc.coordinator.consumer.upgrade import not_upgraded, upgraded
from partition_svc.coordinator.records.result import Effects, Ticket
from partition_svc.coordinator.records.stored import GroupRecord, StoredGroup
from partition_svc.coordinator.records.stored_consumer import ConsumerRecord
from partition_svc.coordinator.settings import GroupSettings


class Membership:
    """`consumer` None: it is the classic group. Else that is empty, save for ids it gave out."""

    __slots__ = ("_settings", "_view", "classic", "consumer", "group_id")

    def __init__(self, group_id: str, settings: GroupSettings, view: Topics) -> None:
        self.group_id = group_id
        self.classic = ClassicGroup(group_id, settings)
        self.consumer: ConsumerGroup | None = None
        self._settings, self._view = settings, view

    def resume_classic(self, stored: StoredGroup, now_ms: int) -> None:
        self.classic.resume(stored)
        classic_timeouts.restart(self.classic, Effects(now_ms))

    def resume_consumer(self, records: Sequence[ConsumerRecord], now_ms: int) -> None:
        self.consumer = restored(self.group_id, self._settings, self._view, records, now_ms)

    @property
    def is_empty(self) -> bool:
        if self.consumer is not None:
            return not self.consumer.members
        return self.classic.state is ClassicGroupState.EMPTY

    @property
    def next_deadline_ms(self) -> int:
        if self.consumer is None:
            return self.classic.next_deadline_ms
        return min(self.classic.next_deadline_ms, self.consumer.next_deadline_ms)

    def on_time(self, effects: Effects) -> None:
        classic_timeouts.on_time(self.classic, effects)
        if self.consumer is not None:
            consumer_timeouts.on_time(self.consumer, effects)
            self._downgrade_if_due(effects)

    def join(self, request: JoinGroup, ticket: Ticket, new_id: str, effects: Effects) -> None:
        joining = Joining(request, ticket, new_id)
        group = self._inhabited
        if group is not None:
            last = downgrade.replaced(group, request)
            if last is None or classic_join.join_refusal(group, request) is not None:
                classic_join.join(group, joining, effects)
                return
            self._become_classic(downgrade.downgraded_for(group, last, request, effects))
        join(self.classic, joining, effects)
        if self.consumer is not None and not self.classic.is_vacant:
            self.consumer.write_tombstones(effects)
            self.consumer = None

    def sync(self, request: SyncGroup, ticket: Ticket, effects: Effects) -> None:
        if self._inhabited is None:
            sync(self.classic, request, ticket, effects)
        else:
            synced = classic_member.sync(self._inhabited, request, effects.now_ms)
            effects.reply(ticket, synced)

    def heartbeat(self, request: GroupHeartbeat, effects: Effects) -> HeartbeatTaken:
        if self._inhabited is None:
            return HeartbeatTaken(heartbeat(self.classic, request, effects.now_ms))
        return HeartbeatTaken(classic_member.heartbeat(self._inhabited, request, effects))

    def leave(self, request: LeaveGroup, effects: Effects) -> Left:
        if self._inhabited is None:
            return leave(self.classic, request, effects)
        left = classic_member.leave(self._inhabited, request, effects)
        self._downgrade_if_due(effects)
        return left

    def consumer_heartbeat(
        self, request: ConsumerHeartbeat, new_id: str, effects: Effects
    ) -> ConsumerHeartbeatTaken:
        if not request.member_id:
            request = replace(request, member_id=new_id)
        if self.consumer is not None:
            taken = consumer_heartbeat(self.consumer, request, effects)
            self._downgrade_if_due(effects)
            return taken
        return self._first_heartbeat(request, effects)

    def write_tombstones(self, effects: Effects) -> None:
        """It has no members, and is to be forgotten."""
        if self.consumer is not None:
            self.consumer.write_tombstones(effects)
        if self.classic.is_stored:
            effects.records.append(GroupRecord(self.group_id, None))
        self.classic.state = ClassicGroupState.DEAD

    @property
    def _inhabited(self) -> ConsumerGroup | None:
        """The consumer group, where somebody is in it."""
        return None if self.consumer is None or not self.consumer.members else self.consumer

    def _first_heartbeat(
        self, request: ConsumerHeartbeat, effects: Effects
    ) -> ConsumerHeartbeatTaken:
        """Makes it a consumer group if the heartbeat is taken, and else leaves it as it is."""
        attempt = Effects(effects.now_ms, wall_clock=effects.wall_clock)
        group = self._to_be_consumer(attempt, joins=request.member_epoch == JOIN_GROUP_MEMBER_EPOCH)
        if isinstance(group, ConsumerHeartbeatTaken):
            return group
        taken = consumer_heartbeat(group, request, attempt)
        if taken.refusal is not None:
            return taken
        for member in self.classic.members:
            member.refuse_waiting(GroupRefusal.REBALANCE_IN_PROGRESS, effects)
        if self.classic.is_stored:
            effects.records.append(GroupRecord(self.group_id, None))
        effects.records += attempt.records
        self.classic = ClassicGroup(self.group_id, self._settings)
        self.consumer = group
        return taken

    def _to_be_consumer(
        self, effects: Effects, *, joins: bool
    ) -> ConsumerGroup | ConsumerHeartbeatTaken:
        if self.classic.state is ClassicGroupState.EMPTY:
            return ConsumerGroup(self.group_id, self._settings, self._view)
        if not joins:
            return not_upgraded(self.group_id)
        return upgraded(self.classic, self._view, effects)

    def _downgrade_if_due(self, effects: Effects) -> None:
        if self.consumer is not None and self.consumer.should_downgrade:
            self._become_classic(downgrade.downgraded(self.consumer, effects))

    def _become_classic(self, group: ClassicGroup) -> None:
        self.classic, self.consumer = group, None
