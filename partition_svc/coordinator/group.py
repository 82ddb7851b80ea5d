"""One group as its shell sees it: what is asked of it goes in, effects come out.

Pure: time and new member ids come as arguments. A group that is not there is a fresh `Group`, which
answers what Kafka answers for unknown groups; after any call, one that `is_void` may be dropped.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from common.ports.classic_groups import (
    DescribedGroup,
    GroupHeartbeat,
    GroupResult,
    HeartbeatTaken,
    Joined,
    JoinGroup,
    LeaveGroup,
    ListedGroup,
    SyncGroup,
)
from common.ports.consumer_groups import ConsumerGroup as DescribedConsumerGroup
from common.ports.consumer_groups import ConsumerHeartbeat
from common.ports.group_offsets import (
    CommitOffsets,
    CommitResult,
    DeletedOffsets,
    DeleteOffsets,
    FetchedOffsets,
    FetchOffsets,
)
from common.ports.group_refusal import GroupRefusal
from partition_svc.coordinator import (
    consumer_deadlines,
    consumer_rules,
    deadlines,
    describing,
    offset_rules,
)
from partition_svc.coordinator.classic_group import NEVER, ClassicGroup, ClassicState
from partition_svc.coordinator.consumer_group import ConsumerGroup
from partition_svc.coordinator.consumer_heartbeat import consumer_heartbeat
from partition_svc.coordinator.consumer_restoring import restored as restored_consumer
from partition_svc.coordinator.effects import Effects, Ticket
from partition_svc.coordinator.group_settings import GroupSettings
from partition_svc.coordinator.heartbeat import heartbeat
from partition_svc.coordinator.join import Joining, join
from partition_svc.coordinator.leave import leave
from partition_svc.coordinator.offset_rules import Subscriptions
from partition_svc.coordinator.offsets import GroupOffsets, OffsetTable
from partition_svc.coordinator.stored import GroupRecord, StoredGroup, StoredOffset
from partition_svc.coordinator.stored_consumer import ConsumerRecord
from partition_svc.coordinator.sync import sync
from partition_svc.coordinator.topic_patterns import Topics


class Group:
    """All times are in milliseconds since the epoch, on a clock that never goes back.

    A call changes the group at once; see `Effects` for when others may learn of it. A group is a
    classic one or a consumer group (KIP-848); without members it becomes what the next one wants.
    """

    __slots__ = ("_classic", "_consumer", "_offsets", "group_id")

    def __init__(self, group_id: str, settings: GroupSettings) -> None:
        self.group_id = group_id
        self._classic = ClassicGroup(group_id, settings)
        self._consumer: ConsumerGroup | None = None
        self._offsets = GroupOffsets(group_id, {})

    @classmethod
    def restored(
        cls,
        group_id: str,
        settings: GroupSettings,
        stored: StoredGroup | None,
        offsets: OffsetTable,
        now_ms: int,
    ) -> "Group":
        """The group as the log has it. Sessions begin anew; what was not settled rebalances."""
        group = cls(group_id, settings)
        group._offsets = GroupOffsets(group_id, offsets)
        if stored is not None:
            group._classic.resume(stored)
            deadlines.restart(group._classic, Effects(now_ms))
        return group

    def resume_consumers(self, records: Sequence[ConsumerRecord], now_ms: int) -> None:
        """Goes on as the consumer group that the log has, if it has one: part of being restored."""
        settings = self._classic.settings
        self._consumer = restored_consumer(self.group_id, settings, records, now_ms)

    @property
    def is_void(self) -> bool:
        """Whether there is nothing to remember of it, in memory or in the log."""
        classic = self._classic
        if classic.state is ClassicState.DEAD:
            return True
        if self._consumer is not None:
            return False
        is_idle = classic.state is ClassicState.EMPTY and classic.is_vacant
        return is_idle and not classic.is_stored and not self._offsets

    @property
    def _is_empty(self) -> bool:
        if self._consumer is not None:
            return not self._consumer.members
        return self._classic.state is ClassicState.EMPTY

    @property
    def next_deadline(self) -> int | None:
        """When to call `on_time` next; it may be early, and every call may change it."""
        alarm_ms = self._classic.alarm_ms
        if self._consumer is not None:
            alarm_ms = min(alarm_ms, self._consumer.alarm_ms)
        return None if alarm_ms == NEVER else alarm_ms

    def on_time(self, now_ms: int) -> Effects:
        effects = Effects(now_ms)
        deadlines.on_time(self._classic, effects)
        if self._consumer is not None:
            consumer_deadlines.on_time(self._consumer, effects)
        return effects

    def join(self, request: JoinGroup, ticket: Ticket, now_ms: int, new_member_id: str) -> Effects:
        """`new_member_id` is used where the request has none; it was never used before."""
        effects = Effects(now_ms)
        if self._consumer is not None and self._consumer.members:
            refusal = GroupRefusal.INCONSISTENT_GROUP_PROTOCOL
            effects.reply(ticket, Joined(request.member_id, refusal=refusal))
            return effects
        join(self._classic, Joining(request, ticket, new_member_id), effects)
        if self._consumer is not None and not self._classic.is_vacant:
            self._consumer.bury(effects)
            self._consumer = None
        return effects

    def sync(self, request: SyncGroup, ticket: Ticket, now_ms: int) -> Effects:
        effects = Effects(now_ms)
        sync(self._classic, request, ticket, effects)
        return effects

    def heartbeat(self, request: GroupHeartbeat, ticket: Ticket, now_ms: int) -> Effects:
        refusal = heartbeat(self._classic, request, now_ms)
        return Effects(now_ms, [(ticket, HeartbeatTaken(refusal))])

    def consumer_heartbeat(
        self,
        request: ConsumerHeartbeat,
        topics: Topics,
        ticket: Ticket,
        now_ms: int,
        new_member_id: str,
    ) -> Effects:
        """`new_member_id` as in `join`."""
        effects, classic = Effects(now_ms), self._classic
        if classic.state is not ClassicState.EMPTY or not classic.is_vacant:
            effects.reply(ticket, consumer_rules.not_a_consumer_group(self.group_id))
            return effects
        if not request.member_id:
            request = replace(request, member_id=new_member_id)
        group = self._consumer or ConsumerGroup(self.group_id, classic.settings)
        taken = consumer_heartbeat(group, request, topics, effects)
        if self._consumer is None and group.is_stored:
            self._consumer = group
            if classic.is_stored:
                effects.records.insert(0, GroupRecord(self.group_id, None))
            self._classic = ClassicGroup(self.group_id, classic.settings)
        effects.reply(ticket, taken)
        return effects

    def leave(self, request: LeaveGroup, ticket: Ticket, now_ms: int) -> Effects:
        effects = Effects(now_ms)
        effects.reply(ticket, leave(self._classic, request, effects))
        return effects

    def commit(self, request: CommitOffsets, ticket: Ticket, now_ms: int) -> Effects:
        """A commit shows that its member lives, as a heartbeat does."""
        effects, classic = Effects(now_ms), self._classic
        if self._consumer is not None:
            refusal = consumer_rules.commit_refusal(self._consumer, request)
        else:
            refusal = offset_rules.commit_refusal(classic, request)
        if refusal is not None:
            effects.reply(ticket, CommitResult(refusal=refusal))
            return effects
        if request.member_id in classic.members:
            classic.extend_session(classic.members[request.member_id], now_ms)
        metadata_max = classic.settings.offset_metadata_max
        effects.reply(ticket, self._offsets.commit(request.offsets, metadata_max, effects))
        return effects

    def fetch(self, request: FetchOffsets, ticket: Ticket, now_ms: int) -> Effects:
        if self._consumer is not None:
            refusal = consumer_rules.fetch_refusal(self._consumer, request)
            if refusal is not None:
                return Effects(now_ms, [(ticket, FetchedOffsets(refusal=refusal))])
        return Effects(now_ms, [(ticket, self._offsets.fetch(request.topics))])

    def delete_offsets(self, request: DeleteOffsets, ticket: Ticket, now_ms: int) -> Effects:
        effects = Effects(now_ms)
        effects.reply(ticket, self._delete_offsets(request, effects))
        return effects

    def _delete_offsets(self, request: DeleteOffsets, effects: Effects) -> DeletedOffsets:
        refusal = self._missing() or offset_rules.delete_refusal(self._classic)
        if refusal is not None:
            return DeletedOffsets(refusal=refusal)
        subscriptions = Subscriptions(self._classic)
        refusals: list[GroupRefusal | None] = []
        for asked in request.topics:
            is_read = asked.topic in subscriptions
            if self._consumer is not None:
                is_read = self._consumer.is_subscribed(asked.topic)
            refusals += [GroupRefusal.GROUP_SUBSCRIBED_TO_TOPIC if is_read else None] * len(
                asked.partitions
            )
            for partition in () if is_read else asked.partitions:
                self._offsets.delete(asked.topic, partition, effects)
        return DeletedOffsets(refusals)

    def delete(self, ticket: Ticket, now_ms: int) -> Effects:
        """Forgets a group without members, and its offsets."""
        effects = Effects(now_ms)
        refusal = self._missing()
        if refusal is None and not self._is_empty:
            refusal = GroupRefusal.NON_EMPTY_GROUP
        if refusal is None:
            self._offsets.delete_where(lambda *_: True, effects)
            self._bury(effects)
        effects.reply(ticket, GroupResult(self.group_id, refusal))
        return effects

    def expire_offsets(self, now_ms: int) -> Effects:
        """Forgets offsets that have expired; and the group, where nothing else was left of it."""
        effects, classic = Effects(now_ms), self._classic
        is_expired = offset_rules.expiry_rule(classic, now_ms)
        if self._consumer is not None:
            is_expired = consumer_rules.expiry_rule(self._consumer, now_ms)
        if is_expired is not None:
            self._offsets.delete_where(is_expired, effects)
        if self._is_empty and classic.is_vacant and not self._offsets:
            self._bury(effects)
        return effects

    def forget_topics(self, is_gone: Callable[[str, bytes], bool], now_ms: int) -> Effects:
        """Forgets offsets of deleted topics: `is_gone` is asked with a topic's name and its id.

        The id is empty where the commit did not say it. A topic that was made again under its
        name has another id.
        """
        effects = Effects(now_ms)

        def is_of_gone(topic: str, partition: int, stored: StoredOffset) -> bool:
            return is_gone(topic, stored.topic_id)

        self._offsets.delete_where(is_of_gone, effects)
        return effects

    def describe(self) -> DescribedGroup:
        missing = self._missing()
        if self._consumer is not None:
            missing = GroupRefusal.GROUP_ID_NOT_FOUND
        if missing is not None:
            return DescribedGroup(self.group_id, refusal=missing)
        return describing.describe(self._classic)

    def describe_consumer(self) -> DescribedConsumerGroup:
        if self._consumer is not None:
            return consumer_rules.describe(self._consumer)
        return consumer_rules.missing(self.group_id, is_there=not self.is_void)

    def listed(self) -> ListedGroup:
        if self._consumer is not None:
            return consumer_rules.listed(self._consumer)
        return describing.listed(self._classic)

    def abandon(self, refusal: GroupRefusal, now_ms: int) -> Effects:
        """Answers all that wait, before the group is dropped without a record of it."""
        effects = Effects(now_ms)
        for member in self._classic.members:
            member.refuse_waiting(refusal, effects)
        self._classic.state = ClassicState.DEAD
        return effects

    def _missing(self) -> GroupRefusal | None:
        return GroupRefusal.GROUP_ID_NOT_FOUND if self.is_void else None

    def _bury(self, effects: Effects) -> None:
        if self._consumer is not None:
            self._consumer.bury(effects)
        if self._classic.is_stored:
            effects.records.append(GroupRecord(self.group_id, None))
        self._classic.state = ClassicState.DEAD
