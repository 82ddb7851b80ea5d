"""Restoration of a consumer group from its records."""

from collections.abc import Sequence

from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import ConsumerGroupMember
from partition_svc.coordinator.consumer.targets import subscribed_topics
from partition_svc.coordinator.consumer.timeouts import restart
from partition_svc.coordinator.consumer.topic_patterns import Topics
from partition_svc.coordinator.records.stored_consumer import (
    EMPTY_ASSIGNMENT,
    ConsumerRecord,
    CurrentRecord,
    EpochRecord,
    SubscriptionRecord,
    TargetEpochRecord,
    TargetRecord,
)
from partition_svc.coordinator.settings import GroupSettings


def restore(
    group_id: str,
    settings: GroupSettings,
    view: Topics,
    records: Sequence[ConsumerRecord],
    now_ms: int,
) -> ConsumerGroup | None:
    """Returns the group, or None if the log has no group record.

    `records`: the last of each key, in any order. If topics have changed since they were written,
    the next heartbeat starts a new epoch.
    """
    group = ConsumerGroup(group_id, settings, view)
    for record in records:
        if isinstance(record, SubscriptionRecord) and record.value is not None:
            member = group.members[record.member_id] = ConsumerGroupMember(record.member_id)
            member.subscribe(record.value)
    for record in records:
        _replay(group, record)
    if not group.is_stored:
        return None
    group.topics = subscribed_topics(group)
    for member in group.members.values():
        group.update_owners(member, EMPTY_ASSIGNMENT)
    restart(group, now_ms)
    return group


def _replay(group: ConsumerGroup, record: ConsumerRecord) -> None:
    match record:
        case EpochRecord(_, stored) if stored is not None:
            group.is_stored = True
            group.epoch, group.metadata_hash = stored
        case TargetEpochRecord(_, epoch) if epoch is not None:
            group.assignment_epoch = epoch
        case TargetRecord(_, member_id, target) if target is not None:
            if member_id in group.members:
                group.targets[member_id] = target
        case CurrentRecord(_, member_id, current) if current is not None:
            if member_id in group.members:
                group.members[member_id].restore(current)
