"""What the members of a consumer group are to have: when that is worked out anew, and by whom.

Kafka: TargetAssignmentBuilder, GroupMetadataManager.updateTargetAssignment.
"""

from collections import Counter
from collections.abc import Iterable

from common.ports.metadata import Topic
from partition_svc.coordinator.consumer.assignors import ASSIGNORS, Subscriber
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import ConsumerGroupMember
from partition_svc.coordinator.consumer.topic_patterns import compiled, found, metadata_hash
from partition_svc.coordinator.records.result import Effects
from partition_svc.coordinator.records.stored_consumer import EMPTY_ASSIGNMENT, TargetEpochRecord


def subscribed(group: ConsumerGroup) -> dict[str, Topic]:
    """By name, those existing topics that somebody in the group reads."""
    members = group.members.values()
    names = {name for one in members for name in one.topic_names}
    return found(group.view, names, {one.topic_regex for one in members if one.topic_regex})


def refresh_topics(group: ConsumerGroup) -> bool:
    """Takes over what there is now. Whether it differs from what the targets were made for."""
    group.topics = subscribed(group)
    group.revision = group.view.revision
    now = metadata_hash(group.topics)
    differs, group.metadata_hash = now != group.metadata_hash, now
    return differs


def assign(group: ConsumerGroup, effects: Effects) -> None:
    """Makes targets of the group's epoch, where those that there are are older."""
    if group.assignment_epoch >= group.epoch:
        return
    counts = {one.topic_id: len(one.partitions) for one in group.topics.values()}
    subscribers = [_subscriber(group, one) for one in group.members.values()]
    given = ASSIGNORS[assignor(group)](subscribers, counts)
    for member_id, target in given.items():
        if group.targets.get(member_id) != target:
            group.store_target(member_id, target, effects)
    group.assignment_epoch = group.epoch
    effects.records.append(TargetEpochRecord(group.group_id, group.epoch))


def assignor(group: ConsumerGroup) -> str:
    """The one that most members prefer; where none does, the default."""
    preferred = (one.server_assignor or "" for one in group.members.values())
    counted = Counter(name for name in preferred if name in ASSIGNORS)
    default = next(iter(ASSIGNORS))
    return max(sorted(counted), key=counted.__getitem__, default=default)


def subscribed_names(group: ConsumerGroup, member: ConsumerGroupMember) -> Iterable[str]:
    """Of existing topics."""
    names = {name for name in member.topic_names if name in group.topics}
    if member.topic_regex:
        pattern = compiled(member.topic_regex)
        names |= {name for name in group.topics if pattern.fullmatch(name)}
    return names


def _subscriber(group: ConsumerGroup, member: ConsumerGroupMember) -> Subscriber:
    return Subscriber(
        member.member_id,
        member.instance_id,
        frozenset(group.topics[name].topic_id for name in subscribed_names(group, member)),
        group.targets.get(member.member_id, EMPTY_ASSIGNMENT),
    )
