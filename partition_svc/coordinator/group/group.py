"""One group as its shell sees it: what is asked of it goes in, effects come out.

Pure: time and new member ids come as arguments. A group that is not there is a fresh `Group`, which
answers what Kafka answers for unknown groups; after any call, one that `is_void` may be dropped.
A call is followed by `confirm` where its effects were taken, else by `roll_back`: a call that fails
halfway leaves nothing that the log does not say.
"""

from collections.abc import Callable, Sequence

from common.ports.classic_groups import (
    DescribedGroup,
    GroupHeartbeat,
    GroupResult,
    JoinGroup,
    LeaveGroup,
    ListedGroup,
    SyncGroup,
)
from common.ports.consumer_groups import ConsumerHeartbeat, DescribedConsumerGroup
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import (
    CommitOffsets,
    CommitResult,
    DeletedOffsets,
    DeleteOffsets,
    FetchedOffsets,
    FetchOffsets,
)
from partition_svc.coordinator.classic import describe as classic_describe
from partition_svc.coordinator.classic.group import ClassicGroupState
from partition_svc.coordinator.consumer import rules as consumer_rules
from partition_svc.coordinator.consumer.topic_patterns import Topics
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.group.logged_members import LoggedMembers, logged_members
from partition_svc.coordinator.group.membership import Membership
from partition_svc.coordinator.offsets import rules as offset_rules
from partition_svc.coordinator.offsets.offsets import GroupOffsets, OffsetTable
from partition_svc.coordinator.offsets.rules import Subscriptions
from partition_svc.coordinator.records.result import Effects, Record, Ticket
from partition_svc.coordinator.records.stored import OffsetRecord, StoredGroup, StoredOffset
from partition_svc.coordinator.records.stored_consumer import ConsumerRecord
from partition_svc.coordinator.settings import GroupSettings


class Group:
    """Times that calls are given are milliseconds of one monotonic clock.

    A call changes the group at once; see `Effects` for when others may learn of it.
    """

    __slots__ = (
        "_logged",
        "_members",
        "_offsets",
        "_settings",
        "_view",
        "_wall_clock",
        "group_id",
    )

    def __init__(
        self,
        group_id: str,
        settings: GroupSettings,
        view: Topics,
        wall_clock: Callable[[], int] | None = None,
    ) -> None:
        """`view`: the topics that there are, now and whenever the group looks at it.

        `wall_clock`: see `Effects`.
        """
        self.group_id = group_id
        self._wall_clock = wall_clock
        self._settings, self._view = settings, view
        self._logged = LoggedMembers()
        self._members = Membership(group_id, settings, view)
        self._offsets = GroupOffsets(group_id, {}, view)

    def resume(
        self,
        stored: StoredGroup | None,
        consumer: Sequence[ConsumerRecord],
        offsets: OffsetTable,
        now_ms: int,
    ) -> None:
        """Goes on as the log has it. Sessions begin anew; what was not settled rebalances."""
        self._offsets = GroupOffsets(self.group_id, offsets, self._view)
        self._logged = logged_members(stored, consumer)
        self._members = self._restored(now_ms)

    def confirm(self, records: Sequence[Record]) -> None:
        """The records of the last call are given to the log, in their order."""
        self._offsets.confirm()
        for one in records:
            if not isinstance(one, OffsetRecord):
                self._logged.add_members(one)

    def roll_back(self, now_ms: int) -> None:
        """Goes back to what its confirmed records say, as after a load.

        Whatever waits is forgotten: its caller is to be answered by others.
        """
        self._offsets.roll_back()
        self._members = self._restored(now_ms)

    def begin_without_members(self, now_ms: int) -> Effects:
        """Forgets the members, where those that the log has cannot be restored. Offsets stay."""
        self._members = Membership(self.group_id, self._settings, self._view)
        return Effects(now_ms, records=[*self._logged.tombstones(self.group_id)])

    def _restored(self, now_ms: int) -> Membership:
        members = Membership(self.group_id, self._settings, self._view)
        if self._logged.stored is not None:
            members.resume_classic(self._logged.stored, now_ms)
        members.resume_consumer(list(self._logged.consumer.values()), now_ms)
        return members

    @property
    def is_void(self) -> bool:
        """Whether there is nothing to remember of it, in memory or in the log."""
        classic = self._members.classic
        if classic.state is ClassicGroupState.DEAD:
            return True
        if self._offsets or self._members.consumer is not None:
            return False
        is_idle = classic.state is ClassicGroupState.EMPTY and classic.is_vacant
        return is_idle and not classic.is_stored

    @property
    def next_deadline(self) -> int | None:
        """When to call `on_time` next; it may be early, and every call may change it."""
        next_deadline_ms = self._members.next_deadline_ms
        return None if next_deadline_ms == NO_DEADLINE else next_deadline_ms

    def on_time(self, now_ms: int) -> Effects:
        effects = self._effects(now_ms)
        self._members.on_time(effects)
        return effects

    def join(self, request: JoinGroup, ticket: Ticket, now_ms: int, new_member_id: str) -> Effects:
        """`new_member_id` is used where the request has none; it was never used before."""
        effects = self._effects(now_ms)
        self._members.join(request, ticket, new_member_id, effects)
        return effects

    def sync(self, request: SyncGroup, ticket: Ticket, now_ms: int) -> Effects:
        effects = self._effects(now_ms)
        self._members.sync(request, ticket, effects)
        return effects

    def heartbeat(self, request: GroupHeartbeat, ticket: Ticket, now_ms: int) -> Effects:
        effects = self._effects(now_ms)
        effects.reply(ticket, self._members.heartbeat(request, effects))
        return effects

    def consumer_heartbeat(
        self, request: ConsumerHeartbeat, ticket: Ticket, now_ms: int, new_member_id: str
    ) -> Effects:
        """`new_member_id` as in `join`."""
        effects = self._effects(now_ms)
        taken = self._members.consumer_heartbeat(request, new_member_id, effects)
        effects.reply(ticket, taken)
        return effects

    def leave(self, request: LeaveGroup, ticket: Ticket, now_ms: int) -> Effects:
        effects = self._effects(now_ms)
        effects.reply(ticket, self._members.leave(request, effects))
        return effects

    def commit(self, request: CommitOffsets, ticket: Ticket, now_ms: int) -> Effects:
        """A commit to a classic group shows that its member lives, as a heartbeat does."""
        effects, classic = self._effects(now_ms), self._members.classic
        if self._members.consumer is not None:
            refusal = consumer_rules.commit_refusal(self._members.consumer, request)
        else:
            refusal = offset_rules.commit_refusal(classic, request, is_there=not self.is_void)
        if refusal is not None:
            effects.reply(ticket, CommitResult(refusal=refusal))
            return effects
        if request.member_id in classic.members:
            classic.extend_session(classic.members[request.member_id], now_ms)
        metadata_max = classic.settings.offset_metadata_max
        effects.reply(ticket, self._offsets.commit(request.offsets, metadata_max, effects))
        return effects

    def fetch(self, request: FetchOffsets, ticket: Ticket, now_ms: int) -> Effects:
        if self._members.consumer is not None:
            refusal = consumer_rules.fetch_refusal(self._members.consumer, request)
            if refusal is not None:
                return Effects(now_ms, [(ticket, FetchedOffsets(refusal=refusal))])
        return Effects(now_ms, [(ticket, self._offsets.fetch(request.topics))])

    def delete_offsets(self, request: DeleteOffsets, ticket: Ticket, now_ms: int) -> Effects:
        effects = self._effects(now_ms)
        effects.reply(ticket, self._delete_offsets(request, effects))
        return effects

    def _delete_offsets(self, request: DeleteOffsets, effects: Effects) -> DeletedOffsets:
        consumer, classic = self._members.consumer, self._members.classic
        refusal = self._missing() or offset_rules.delete_refusal(classic)
        if refusal is not None:
            return DeletedOffsets(refusal=refusal)
        subscriptions = Subscriptions(classic)
        refusals: list[GroupRefusal | None] = []
        for asked in request.topics:
            is_read = asked.topic in subscriptions
            if consumer is not None:
                is_read = consumer.is_subscribed(asked.topic)
            refusals += [GroupRefusal.GROUP_SUBSCRIBED_TO_TOPIC if is_read else None] * len(
                asked.partitions
            )
            for partition in () if is_read else asked.partitions:
                self._offsets.delete(asked.topic, partition, effects)
        return DeletedOffsets(refusals)

    def delete(self, ticket: Ticket, now_ms: int) -> Effects:
        """Forgets a group without members, and its offsets."""
        effects = self._effects(now_ms)
        refusal = self._missing()
        if refusal is None and not self._members.is_empty:
            refusal = GroupRefusal.NON_EMPTY_GROUP
        if refusal is None:
            self._offsets.delete_where(lambda *_: True, effects)
            self._members.write_tombstones(effects)
        effects.reply(ticket, GroupResult(self.group_id, refusal))
        return effects

    def expire_offsets(self, now_ms: int) -> Effects:
        """Forgets offsets that have expired; and the group, where nothing else was left of it."""
        effects, consumer = self._effects(now_ms), self._members.consumer
        classic = self._members.classic
        is_expired = offset_rules.expiry_rule(classic, effects.wall_ms)
        if consumer is not None:
            is_expired = consumer_rules.expiry_rule(consumer, effects.wall_ms)
        if is_expired is not None:
            self._offsets.delete_where(is_expired, effects)
        if self._members.is_empty and classic.is_vacant and not self._offsets:
            self._members.write_tombstones(effects)
        return effects

    def forget_topics(self, is_gone: Callable[[str, bytes], bool], now_ms: int) -> Effects:
        """Forgets offsets of deleted topics: `is_gone` is asked with a topic's name and its id.

        The id is empty where the commit did not say it. A topic that was made again under its
        name has another id.
        """
        effects = self._effects(now_ms)

        def is_of_gone(topic: str, partition: int, stored: StoredOffset) -> bool:
            return is_gone(topic, stored.topic_id)

        self._offsets.delete_where(is_of_gone, effects)
        return effects

    def describe(self) -> DescribedGroup:
        missing = self._missing()
        if missing is not None or self._members.consumer is not None:
            return classic_describe.missing(self.group_id, is_there=missing is None)
        return classic_describe.describe(self._members.classic)

    def describe_consumer(self) -> DescribedConsumerGroup:
        if self._members.consumer is not None:
            return consumer_rules.describe(self._members.consumer)
        return consumer_rules.missing(self.group_id, is_there=not self.is_void)

    def listed(self) -> ListedGroup:
        if self._members.consumer is not None:
            return consumer_rules.listed(self._members.consumer)
        return classic_describe.listed(self._members.classic)

    def _effects(self, now_ms: int) -> Effects:
        return Effects(now_ms, wall_clock=self._wall_clock)

    def _missing(self) -> GroupRefusal | None:
        return GroupRefusal.GROUP_ID_NOT_FOUND if self.is_void else None
