"""Who may commit, fetch and keep offsets in a consumer group, and what operators are told of it.

Kafka: ConsumerGroup.validateOffsetCommit, validateOffsetFetch, asDescribedGroup.
"""

from collections.abc import Callable
from typing import Final

from common.ports.classic_groups import ListedGroup
from common.ports.consumer_groups import DescribedConsumerGroup, DescribedConsumerMember
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommitOffsets, FetchOffsets
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.heartbeat import by_topic
from partition_svc.coordinator.consumer.member import ConsumerGroupMember
from partition_svc.coordinator.consumer.targets import assignor
from partition_svc.coordinator.records.consumer_protocol import CONSUMER_PROTOCOL_TYPE
from partition_svc.coordinator.records.stored import StoredOffset

#: The group type of ListGroups.
_CONSUMER: Final = "consumer"
#: Member types of ConsumerGroupDescribe (KIP-1099).
_CLASSIC_MEMBER: Final = 0
_CONSUMER_MEMBER: Final = 1


def commit_refusal(group: ConsumerGroup, request: CommitOffsets) -> GroupRefusal | None:
    """Without members anybody commits, else members do in their epoch."""
    if request.generation_id < 0 and not group.members:
        return None
    member = group.members.get(request.member_id)
    if member is None:
        return GroupRefusal.UNKNOWN_MEMBER_ID
    if request.predates_epochs and member.classic is None:
        return GroupRefusal.UNSUPPORTED_VERSION
    return _epoch_refusal(member, request.generation_id)


def fetch_refusal(group: ConsumerGroup, request: FetchOffsets) -> GroupRefusal | None:
    """Who does not say who it is may look."""
    if request.member_id is None and request.member_epoch < 0:
        return None
    member = group.members.get(request.member_id or "")
    if member is None:
        return GroupRefusal.UNKNOWN_MEMBER_ID
    return _epoch_refusal(member, request.member_epoch)


def _epoch_refusal(member: ConsumerGroupMember, epoch: int) -> GroupRefusal | None:
    """In the words of the member's protocol."""
    if epoch == member.epoch:
        return None
    is_classic = member.classic is not None
    return GroupRefusal.ILLEGAL_GENERATION if is_classic else GroupRefusal.STALE_MEMBER_EPOCH


def expiry_rule(group: ConsumerGroup, now_ms: int) -> Callable[[str, int, StoredOffset], bool]:
    """Which offsets have expired: those of topics that nobody reads, counted from their commit.

    Old clients say how long (OffsetCommit 2-4).
    """
    retention_ms = group.settings.offsets_retention_ms

    def is_expired(topic: str, partition: int, stored: StoredOffset) -> bool:
        if stored.expires_at_ms >= 0:
            is_old = now_ms >= stored.expires_at_ms
        else:
            is_old = now_ms - stored.committed_at_ms >= retention_ms
        return is_old and not group.is_subscribed(topic)

    return is_expired


def describe(group: ConsumerGroup) -> DescribedConsumerGroup:
    return DescribedConsumerGroup(
        group.group_id,
        group.state,
        group.epoch,
        group.assignment_epoch,
        assignor(group),
        [
            DescribedConsumerMember(
                one.member_id,
                one.epoch,
                one.client,
                one.instance_id,
                one.rack_id,
                one.topic_names,
                one.topic_regex,
                # With what it is giving up: that is its own until it says so.
                by_topic(one.assigned_or_revoking),
                by_topic(group.target(one)),
                _CLASSIC_MEMBER if one.classic is not None else _CONSUMER_MEMBER,
            )
            for one in group.members.values()
        ],
    )


def missing(group_id: str, *, is_there: bool) -> DescribedConsumerGroup:
    """The description of what is no consumer group: a classic group, or none at all."""
    why = "is not a consumer group." if is_there else "not found."
    refusal = GroupRefusal.GROUP_ID_NOT_FOUND
    return DescribedConsumerGroup(group_id, refusal=refusal, message=f"Group {group_id} {why}")


def listed(group: ConsumerGroup) -> ListedGroup:
    return ListedGroup(group.group_id, CONSUMER_PROTOCOL_TYPE, group.state, _CONSUMER)
