"""A consumer group as the log has it."""

from collections.abc import Sequence

from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import ConsumerGroupMember
from partition_svc.coordinator.consumer.targets import subscribed
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


def restored(
    group_id: str,
    settings: GroupSettings,
    view: Topics,
    records: Sequence[ConsumerRecord],
    now_ms: int,
) -> ConsumerGroup | None:
    """None where the log does not have it. `records`: the last of each key, in any order.

    The epoch changes with the next heartbeat, where topics have changed since.
    """
    group = ConsumerGroup(group_id, settings, view)
    for one in records:
        if isinstance(one, SubscriptionRecord) and one.value is not None:
            member = group.members[one.member_id] = ConsumerGroupMember(one.member_id)
            member.subscribe(one.value)
    for one in records:
        _take(group, one)
    if not group.is_stored:
        return None
    group.topics = subscribed(group)
    for member in group.members.values():
        group.update_owners(member, EMPTY_ASSIGNMENT)
    restart(group, now_ms)
    return group


def _take(group: ConsumerGroup, record: ConsumerRecord) -> None:
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
