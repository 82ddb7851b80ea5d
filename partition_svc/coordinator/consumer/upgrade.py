"""Upgrade of a classic group to a consumer group by a ConsumerGroupHeartbeat (KIP-848).

Kafka: validateOnlineUpgrade, convertToConsumerGroup of GroupMetadataManager,
ConsumerGroup.fromClassicGroup.
"""

from typing import Final

from common.ports.consumer_groups import ConsumerHeartbeat, ConsumerHeartbeatReply
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.member import ClassicGroupMember
from partition_svc.coordinator.classic.state import ClassicGroupState
from partition_svc.coordinator.consumer.assignment_conversion import from_topic_names
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.heartbeat import consumer_heartbeat
from partition_svc.coordinator.consumer.member import JOIN_GROUP_MEMBER_EPOCH, ConsumerGroupMember
from partition_svc.coordinator.consumer.topic_patterns import Topics
from partition_svc.coordinator.records.consumer_protocol import (
    CONSUMER_PROTOCOL_TYPE,
    Subscription,
    read_assignment,
    read_subscription,
)
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored_consumer import (
    EMPTY_ASSIGNMENT,
    StoredClassic,
    StoredSubscription,
    TargetEpochRecord,
)

_MALFORMED: Final = "to consumer group because the embedded consumer protocol is malformed."


def first_heartbeat(
    classic: ClassicGroup, request: ConsumerHeartbeat, view: Topics, result: CoordinatorResult
) -> tuple[ConsumerHeartbeatReply, ConsumerGroup | None]:
    """Handles a heartbeat of the consumer protocol in a classic group.

    Returns the response, and the consumer group that replaces `classic` if it was accepted. If it
    was rejected, `classic` stays as it is and nothing is written.
    """
    attempt = CoordinatorResult(result.now_ms, wall_clock=result.wall_clock)
    if classic.state is ClassicGroupState.EMPTY:
        group = ConsumerGroup(classic.group_id, classic.settings, view)
    elif request.member_epoch != JOIN_GROUP_MEMBER_EPOCH:
        return _not_a_consumer_group(classic), None
    else:
        upgraded = _upgraded(classic, view, attempt)
        if isinstance(upgraded, ConsumerHeartbeatReply):
            return upgraded, None
        group = upgraded
    reply = consumer_heartbeat(group, request, attempt)
    if reply.refusal is not None:
        return reply, None
    for member in classic.members:
        member.reject_pending(GroupRefusal.REBALANCE_IN_PROGRESS, result)
    classic.write_tombstone(result)
    result.records += attempt.records
    return reply, group


def _upgraded(
    classic: ClassicGroup, view: Topics, result: CoordinatorResult
) -> ConsumerGroup | ConsumerHeartbeatReply:
    """Returns the consumer group, whose records are written, or the rejecting response.

    The generation becomes the epoch of the group and its members. `classic` is not changed.
    """
    can_upgrade = (
        classic.settings.may_upgrade
        and classic.protocol_type == CONSUMER_PROTOCOL_TYPE
        and len(classic.members) <= classic.settings.max_size
    )
    if not can_upgrade:
        return _not_a_consumer_group(classic)
    group = ConsumerGroup(classic.group_id, classic.settings, view)
    group.epoch = group.assignment_epoch = classic.generation_id
    for member in classic.members:
        if not _add_member(group, classic, member):
            return _rejected(f"Cannot upgrade the classic group {classic.group_id} {_MALFORMED}")
    for added in group.members.values():
        group.extend_session(added, result.now_ms)
    _store(group, result)
    return group


def _not_a_consumer_group(classic: ClassicGroup) -> ConsumerHeartbeatReply:
    return _rejected(f"Group {classic.group_id} is not a consumer group.")


def _rejected(message: str) -> ConsumerHeartbeatReply:
    return ConsumerHeartbeatReply(refusal=GroupRefusal.GROUP_ID_NOT_FOUND, message=message)


def _add_member(group: ConsumerGroup, classic: ClassicGroup, member: ClassicGroupMember) -> bool:
    """Adds `member` to the new group; False if its subscription or assignment cannot be parsed.

    It keeps its last assignment, and the partitions that it still owned when it joined: it may not
    have seen yet that those were revoked.
    """
    subscription = read_subscription(_metadata(classic, member))
    assignment = read_assignment(member.assignment)
    if subscription is None or assignment is None:
        return False
    added = ConsumerGroupMember(member.member_id)
    added.subscribe(_stored_subscription(member, subscription))
    added.epoch = added.previous_epoch = classic.generation_id
    owned = from_topic_names({*assignment, *subscription.owned}, group.view)
    added.assigned = frozenset(filter(group.is_free_for(added), owned))
    group.members[member.member_id] = added
    group.targets[member.member_id] = added.assigned
    group.update_owners(added, EMPTY_ASSIGNMENT)
    return True


def _metadata(classic: ClassicGroup, member: ClassicGroupMember) -> bytes:
    """Returns the metadata of the group's protocol, or of any before the first generation.

    All protocols of a member have the same subscription.
    """
    return member.metadata(classic.protocol or member.protocols[0].name)


def _stored_subscription(
    member: ClassicGroupMember, subscription: Subscription
) -> StoredSubscription:
    return StoredSubscription(
        member.group_instance_id,
        subscription.rack_id,
        member.client,
        tuple(sorted(set(subscription.topics))),
        None,
        member.rebalance_timeout_ms,
        None,
        StoredClassic(member.session_timeout_ms, tuple(member.protocols)),
    )


def _store(group: ConsumerGroup, result: CoordinatorResult) -> None:
    for member in group.members.values():
        group.store_subscription(member, result)
    group.store_epoch(result)
    for member_id, target in group.targets.items():
        group.store_target(member_id, target, result)
    result.records.append(TargetEpochRecord(group.group_id, group.assignment_epoch))
    for member in group.members.values():
        group.store_current_assignment(member, result)
