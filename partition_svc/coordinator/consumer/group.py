"""The state of a consumer group (KIP-848): epochs, members, targets and owners of partitions.

Requests and timeouts are in the modules beside this one: `heartbeat.py`, `targets.py`,
`timeouts.py`, and for members of the classic protocol `classic_join.py` and `classic_member.py`.
The state of a group follows from those of its members (`member_state.py`).
Kafka: ConsumerGroup, GroupMetadataManager.
"""

from collections.abc import Callable, Iterable

from common.ports.metadata import Topic
from partition_svc.coordinator.consumer.member import ConsumerGroupMember
from partition_svc.coordinator.consumer.topic_patterns import Topics
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import CoordinatorResult
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
    """Deadlines are milliseconds of one monotonic clock.

    `epoch`: rises when members, subscriptions or topics change. `assignment_epoch`: that of
    `targets`, the target assignments by member id. `topics`: the subscribed topics by name, as of
    `revision` of `view`, which has the current topics.
    `next_deadline_ms`: not later than the first deadline of a member.
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
        members = self.members.values()
        is_stable = all(member.is_reconciled(self.assignment_epoch) for member in members)
        return "Stable" if is_stable else "Reconciling"

    @property
    def should_downgrade(self) -> bool:
        """True if all members are classic, and the group may become a classic group."""
        settings = self.settings
        is_allowed = settings.may_downgrade and 0 < len(self.members) <= settings.max_size
        return is_allowed and all(member.classic is not None for member in self.members.values())

    def static_member(self, instance_id: str) -> ConsumerGroupMember | None:
        members = self.members.values()
        return next((member for member in members if member.instance_id == instance_id), None)

    def target(self, member: ConsumerGroupMember) -> Assignment:
        return self.targets.get(member.member_id, EMPTY_ASSIGNMENT)

    def is_free_for(self, member: ConsumerGroupMember) -> Callable[[TopicPartition], bool]:
        """Returns a predicate: True for a partition that no other member owns."""
        allowed = (None, member.member_id)
        return lambda partition: self._owners.get(partition) in allowed

    def is_subscribed(self, topic: str) -> bool:
        """True if a member subscribes by name, or by an expression as of the last refresh."""
        is_named = any(topic in member.topic_names for member in self.members.values())
        return is_named or (bool(self.members) and topic in self.topics)

    def schedule(self, at_ms: int) -> None:
        """Adds a deadline."""
        self.next_deadline_ms = min(self.next_deadline_ms, at_ms)

    def extend_session(self, member: ConsumerGroupMember, now_ms: int) -> None:
        classic = member.classic
        timeout_ms = self.settings.consumer_session_timeout_ms
        member.deadline_ms = now_ms + (classic.session_timeout_ms if classic else timeout_ms)
        self.schedule(member.deadline_ms)

    def bump_epoch(self, result: CoordinatorResult) -> None:
        self.epoch += 1
        self.store_epoch(result)

    def store_epoch(self, result: CoordinatorResult) -> None:
        self.is_stored = True
        stored = StoredEpoch(self.epoch, self.metadata_hash)
        result.records.append(EpochRecord(self.group_id, stored))

    def store_subscription(self, member: ConsumerGroupMember, result: CoordinatorResult) -> None:
        record = SubscriptionRecord(self.group_id, member.member_id, member.subscription())
        result.records.append(record)

    def store_target(self, member_id: str, target: Assignment, result: CoordinatorResult) -> None:
        self.targets[member_id] = target
        result.records.append(TargetRecord(self.group_id, member_id, target))

    def store_current_assignment(
        self, member: ConsumerGroupMember, result: CoordinatorResult
    ) -> None:
        record = CurrentRecord(self.group_id, member.member_id, member.current())
        result.records.append(record)

    def update_owners(self, member: ConsumerGroupMember, before: Assignment) -> None:
        """Records the partitions that a member owns now; it owned `before`."""
        owned = member.assigned_or_revoking
        self._release(member, before - owned)
        for partition in owned:
            self._owners[partition] = member.member_id

    def remove_member(self, member: ConsumerGroupMember, result: CoordinatorResult) -> None:
        """Removes a member and releases its partitions, without a new epoch."""
        self.members.pop(member.member_id)
        self.targets.pop(member.member_id, None)
        self._release(member, member.assigned_or_revoking)
        result.records += (
            CurrentRecord(self.group_id, member.member_id, None),
            TargetRecord(self.group_id, member.member_id, None),
            SubscriptionRecord(self.group_id, member.member_id, None),
        )

    def remove_members(
        self, members: Iterable[ConsumerGroupMember], result: CoordinatorResult
    ) -> None:
        """Removes members in a new epoch.

        A group that `should_downgrade` keeps its epoch, which becomes the generation.
        """
        for member in members:
            self.remove_member(member, result)
        if not self.should_downgrade:
            self.bump_epoch(result)

    def write_tombstones(self, result: CoordinatorResult) -> None:
        """Deletes the records of the group and its members."""
        ids = list(self.members)
        result.records += [CurrentRecord(self.group_id, member_id, None) for member_id in ids]
        result.records += [TargetRecord(self.group_id, member_id, None) for member_id in ids]
        if self.is_stored:
            result.records.append(TargetEpochRecord(self.group_id, None))
        result.records += [SubscriptionRecord(self.group_id, member_id, None) for member_id in ids]
        if self.is_stored:
            result.records.append(EpochRecord(self.group_id, None))
        self.is_stored = False

    def _release(self, member: ConsumerGroupMember, partitions: Assignment) -> None:
        for partition in partitions:
            if self._owners.get(partition) == member.member_id:
                del self._owners[partition]
