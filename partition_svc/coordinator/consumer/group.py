"""What a consumer group (KIP-848) is at one moment: its epochs, members, targets and holders.

What happens to it is in the modules beside this one: `heartbeat.py`,
`targets.py`, `timeouts.py`, and for members that speak the classic protocol
`classic_member.py`. Kafka: ConsumerGroup, GroupMetadataManager.
"""

from collections.abc import Callable, Iterable

from common.ports.metadata import Topic
from partition_svc.coordinator.consumer.member import ConsumerGroupMember
from partition_svc.coordinator.consumer.topic_patterns import Topics
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import Effects
from partition_svc.coordinator.records.stored_consumer import (
    EMPTY_ASSIGNMENT,
    Assignment,
    CurrentRecord,
    EpochRecord,
    StoredEpoch,
    SubscriptionRecord,
    TargetEpochRecord,
    TargetRecord,
    TopicPartition,
)
from partition_svc.coordinator.settings import GroupSettings


class ConsumerGroup:
    """Times are in milliseconds on one clock that never goes back.

    `epoch` rises when members, subscriptions or topics change; `assignment_epoch` is the one that
    `targets` (by member id) are of. `topics`: those subscribed to, by name, as of `revision` of
    `view`, which is what there is now.
    `next_deadline_ms`: nothing is to be done before this; it may be early.
    """

    __slots__ = (
        "_owners",
        "assignment_epoch",
        "epoch",
        "group_id",
        "is_stored",
        "members",
        "metadata_hash",
        "next_deadline_ms",
        "revision",
        "settings",
        "targets",
        "topics",
        "view",
    )

    def __init__(self, group_id: str, settings: GroupSettings, view: Topics) -> None:
        self.group_id = group_id
        self.settings = settings
        self.view = view
        self.epoch = 0
        self.assignment_epoch = 0
        self.members: dict[str, ConsumerGroupMember] = {}
        self.targets: dict[str, Assignment] = {}
        self.topics: dict[str, Topic] = {}
        self.metadata_hash = 0
        self.revision = -1
        self.next_deadline_ms = NO_DEADLINE
        self.is_stored = False
        self._owners: dict[TopicPartition, str] = {}

    @property
    def state(self) -> str:
        """Kafka's name (ConsumerGroupState)."""
        if not self.members:
            return "Empty"
        if self.epoch > self.assignment_epoch:
            return "Assigning"
        reconciled = (one.is_reconciled(self.assignment_epoch) for one in self.members.values())
        return "Stable" if all(reconciled) else "Reconciling"

    @property
    def should_downgrade(self) -> bool:
        """Nobody is left who speaks the consumer protocol, and it may be a classic group again."""
        settings = self.settings
        is_fit = settings.may_downgrade and 0 < len(self.members) <= settings.max_size
        return is_fit and all(one.classic is not None for one in self.members.values())

    def static_member(self, instance_id: str) -> ConsumerGroupMember | None:
        return next((one for one in self.members.values() if one.instance_id == instance_id), None)

    def target(self, member: ConsumerGroupMember) -> Assignment:
        return self.targets.get(member.member_id, EMPTY_ASSIGNMENT)

    def is_free_for(self, member: ConsumerGroupMember) -> Callable[[TopicPartition], bool]:
        """Whether nobody else has a partition."""
        allowed = (None, member.member_id)
        return lambda one: self._owners.get(one) in allowed

    def is_subscribed(self, topic: str) -> bool:
        """By name, or by an expression that matched it when topics were last looked at."""
        is_named = any(topic in one.topic_names for one in self.members.values())
        return is_named or (bool(self.members) and topic in self.topics)

    def schedule(self, at_ms: int) -> None:
        self.next_deadline_ms = min(self.next_deadline_ms, at_ms)

    def extend_session(self, member: ConsumerGroupMember, now_ms: int) -> None:
        classic = member.classic
        timeout_ms = self.settings.consumer_session_timeout_ms
        member.deadline_ms = now_ms + (classic.session_timeout_ms if classic else timeout_ms)
        self.schedule(member.deadline_ms)

    def bump_epoch(self, effects: Effects) -> None:
        self.epoch += 1
        self.store_epoch(effects)

    def store_epoch(self, effects: Effects) -> None:
        self.is_stored = True
        stored = StoredEpoch(self.epoch, self.metadata_hash)
        effects.records.append(EpochRecord(self.group_id, stored))

    def store_subscription(self, member: ConsumerGroupMember, effects: Effects) -> None:
        record = SubscriptionRecord(self.group_id, member.member_id, member.subscription())
        effects.records.append(record)

    def store_target(self, member_id: str, target: Assignment, effects: Effects) -> None:
        self.targets[member_id] = target
        effects.records.append(TargetRecord(self.group_id, member_id, target))

    def update_owners(self, member: ConsumerGroupMember, before: Assignment) -> None:
        """Keeps in mind what a member has now; it had `before`."""
        for one in before - member.assigned_or_revoking:
            if self._owners.get(one) == member.member_id:
                del self._owners[one]
        for one in member.assigned_or_revoking:
            self._owners[one] = member.member_id

    def store_current_assignment(self, member: ConsumerGroupMember, effects: Effects) -> None:
        record = CurrentRecord(self.group_id, member.member_id, member.current())
        effects.records.append(record)

    def remove_member(self, member: ConsumerGroupMember, effects: Effects) -> None:
        """Without a new epoch: see `bump_epoch`. Its partitions are free at once."""
        self.members.pop(member.member_id)
        self.targets.pop(member.member_id, None)
        for one in member.assigned_or_revoking:
            if self._owners.get(one) == member.member_id:
                del self._owners[one]
        effects.records += (
            CurrentRecord(self.group_id, member.member_id, None),
            TargetRecord(self.group_id, member.member_id, None),
            SubscriptionRecord(self.group_id, member.member_id, None),
        )

    def remove_members(self, members: Iterable[ConsumerGroupMember], effects: Effects) -> None:
        """In a new epoch; unless the group `should_downgrade` now, which its generation is of."""
        for member in members:
            self.remove_member(member, effects)
        if not self.should_downgrade:
            self.bump_epoch(effects)

    def write_tombstones(self, effects: Effects) -> None:
        """The group is to be forgotten, and whoever is in it."""
        ids = list(self.members)
        effects.records += [CurrentRecord(self.group_id, one, None) for one in ids]
        effects.records += [TargetRecord(self.group_id, one, None) for one in ids]
        if self.is_stored:
            effects.records.append(TargetEpochRecord(self.group_id, None))
        effects.records += [SubscriptionRecord(self.group_id, one, None) for one in ids]
        if self.is_stored:
            effects.records.append(EpochRecord(self.group_id, None))
        self.is_stored = False
