"""Target assignments of a consumer group: when they are computed again, and by which assignor.

Kafka: TargetAssignmentBuilder, GroupMetadataManager.updateTargetAssignment.
"""

from collections import Counter

from common.ports.metadata import Topic
from partition_svc.coordinator.consumer.assignors import ASSIGNORS, Subscriber
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import ConsumerGroupMember
from partition_svc.coordinator.consumer.topic_patterns import (
    compile_pattern,
    matching_topics,
    metadata_hash,
)
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored_consumer import EMPTY_ASSIGNMENT, TargetEpochRecord


def subscribed_topics(group: ConsumerGroup) -> dict[str, Topic]:
    """Returns the existing topics that members subscribe to, by name."""
    members = group.members.values()
    names = {name for member in members for name in member.topic_names}
    expressions = {member.topic_regex for member in members if member.topic_regex}
    return matching_topics(group.view, names, expressions)


def refresh_topics(group: ConsumerGroup) -> bool:
    """Reads the subscribed topics again; True if they changed since the last epoch."""
    group.topics = subscribed_topics(group)
    group.revision = group.view.revision
    current = metadata_hash(group.topics)
    is_changed, group.metadata_hash = current != group.metadata_hash, current
    return is_changed


def update_targets(group: ConsumerGroup, result: CoordinatorResult) -> None:
    """Computes the targets of the group's epoch, unless they are current."""
    if group.assignment_epoch >= group.epoch:
        return
    counts = {topic.topic_id: len(topic.partitions) for topic in group.topics.values()}
    subscribers = [_subscriber(group, member) for member in group.members.values()]
    targets = ASSIGNORS[assignor(group)](subscribers, counts)
    for member_id, target in targets.items():
        if group.targets.get(member_id) != target:
            group.store_target(member_id, target, result)
    group.assignment_epoch = group.epoch
    result.records.append(TargetEpochRecord(group.group_id, group.epoch))


def assignor(group: ConsumerGroup) -> str:
    """Returns the assignor that most members prefer, or the default."""
    preferred = (member.server_assignor or "" for member in group.members.values())
    votes = Counter(name for name in preferred if name in ASSIGNORS)
    default = next(iter(ASSIGNORS))
    return max(sorted(votes), key=votes.__getitem__, default=default)


def _subscribed_names(group: ConsumerGroup, member: ConsumerGroupMember) -> set[str]:
    """Returns the names of the existing topics that a member subscribes to."""
    names = {name for name in member.topic_names if name in group.topics}
    if member.topic_regex:
        pattern = compile_pattern(member.topic_regex)
        names |= {name for name in group.topics if pattern.fullmatch(name)}
    return names


def _subscriber(group: ConsumerGroup, member: ConsumerGroupMember) -> Subscriber:
    return Subscriber(
        member.member_id,
        member.instance_id,
        frozenset(group.topics[name].topic_id for name in _subscribed_names(group, member)),
        group.targets.get(member.member_id, EMPTY_ASSIGNMENT),
    )
