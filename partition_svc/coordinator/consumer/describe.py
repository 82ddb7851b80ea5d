"""Descriptions of a consumer group for operators (ConsumerGroupDescribe, ListGroups).

Kafka: ConsumerGroup.asDescribedGroup.
"""

from typing import Final

from common.ports.classic_groups import ListedGroup
from common.ports.consumer_groups import DescribedConsumerGroup, DescribedConsumerMember
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.consumer.assignment_conversion import to_owned_partitions
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import ConsumerGroupMember
from partition_svc.coordinator.consumer.targets import assignor
from partition_svc.coordinator.records.consumer_protocol import CONSUMER_PROTOCOL_TYPE

#: The group type of ListGroups.
_CONSUMER: Final = "consumer"
#: Member types of ConsumerGroupDescribe (KIP-1099).
_CLASSIC_MEMBER: Final = 0
_CONSUMER_MEMBER: Final = 1


def describe(group: ConsumerGroup) -> DescribedConsumerGroup:
    return DescribedConsumerGroup(
        group.group_id,
        group.state,
        group.epoch,
        group.assignment_epoch,
        assignor(group),
        [_describe_member(group, member) for member in group.members.values()],
    )


def missing(group_id: str, *, exists: bool) -> DescribedConsumerGroup:
    """Describes a group that is a classic group (`exists`), or does not exist."""
    why = "is not a consumer group." if exists else "not found."
    refusal = GroupRefusal.GROUP_ID_NOT_FOUND
    return DescribedConsumerGroup(group_id, refusal=refusal, message=f"Group {group_id} {why}")


def as_listed_group(group: ConsumerGroup) -> ListedGroup:
    return ListedGroup(group.group_id, CONSUMER_PROTOCOL_TYPE, group.state, _CONSUMER)


def _describe_member(group: ConsumerGroup, member: ConsumerGroupMember) -> DescribedConsumerMember:
    """The assignment includes partitions being revoked: the member owns them until it confirms."""
    return DescribedConsumerMember(
        member.member_id,
        member.epoch,
        member.client,
        member.instance_id,
        member.rack_id,
        member.topic_names,
        member.topic_regex,
        to_owned_partitions(member.assigned_or_revoking),
        to_owned_partitions(group.target(member)),
        _CLASSIC_MEMBER if member.classic is not None else _CONSUMER_MEMBER,
    )
