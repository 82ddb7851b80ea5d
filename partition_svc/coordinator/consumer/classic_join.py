"""Adapter for JoinGroup in a consumer group: a classic member joins, or takes its next step.

Responds at once; the assignment is in the response to SyncGroup. Kafka:
GroupMetadataManager.classicGroupJoinToConsumerGroup.
"""

from common.ports.classic_groups import JoinGroup, JoinReply
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.join import PendingJoin
from partition_svc.coordinator.consumer.assignment_conversion import from_topic_names
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import JOIN_GROUP_MEMBER_EPOCH, ConsumerGroupMember
from partition_svc.coordinator.consumer.reconcile import reconcile, subscribe
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.consumer_protocol import (
    CONSUMER_PROTOCOL_TYPE,
    Subscription,
    read_subscription,
)
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored_consumer import StoredClassic, StoredSubscription


def join_refusal(group: ConsumerGroup, request: JoinGroup) -> GroupRefusal | None:
    """Returns why a join is rejected, if it is. An unknown member id is accepted."""
    settings = group.settings
    shortest_ms, longest_ms = settings.min_session_timeout_ms, settings.max_session_timeout_ms
    if not shortest_ms <= request.session_timeout_ms <= longest_ms:
        return GroupRefusal.INVALID_SESSION_TIMEOUT
    if not _supports_protocols(group, request):
        return GroupRefusal.INCONSISTENT_GROUP_PROTOCOL
    member = _existing_member(group, request)
    if isinstance(member, GroupRefusal):
        return member
    if member is None and len(group.members) >= settings.max_size:
        return GroupRefusal.GROUP_MAX_SIZE_REACHED
    return None


def join(group: ConsumerGroup, pending_join: PendingJoin, result: CoordinatorResult) -> None:
    """Adds or updates the member. A static one without an id replaces that of its instance id."""
    request, pending, new_member_id = pending_join
    refusal = join_refusal(group, request)
    if refusal is not None:
        result.reply(pending, JoinReply(request.member_id, refusal=refusal))
    elif not request.member_id and request.group_instance_id is None and request.needs_member_id:
        result.reply(pending, JoinReply(new_member_id, refusal=GroupRefusal.MEMBER_ID_REQUIRED))
    else:
        result.reply(pending, _joined(group, request, request.member_id or new_member_id, result))


def _supports_protocols(group: ConsumerGroup, request: JoinGroup) -> bool:
    """True if all classic members support a protocol, and the subscription can be parsed."""
    if request.protocol_type != CONSUMER_PROTOCOL_TYPE or not request.protocols:
        return False
    names = {protocol.name for protocol in request.protocols}
    for member in group.members.values():
        if member.classic is not None:
            names &= {protocol.name for protocol in member.classic.protocols}
    return bool(names) and read_subscription(request.protocols[0].metadata) is not None


def _existing_member(
    group: ConsumerGroup, request: JoinGroup
) -> ConsumerGroupMember | GroupRefusal | None:
    """Returns the member that joins again, None for a new one, or why it may not join."""
    if request.group_instance_id is None:
        return group.members.get(request.member_id)
    static = group.static_member(request.group_instance_id)
    if not request.member_id:
        return static
    if static is None:
        return GroupRefusal.UNKNOWN_MEMBER_ID
    return static if static.member_id == request.member_id else GroupRefusal.FENCED_INSTANCE_ID


def _joined(
    group: ConsumerGroup, request: JoinGroup, member_id: str, result: CoordinatorResult
) -> JoinReply:
    existing = _existing_member(group, request)
    before = (
        existing if isinstance(existing, ConsumerGroupMember) else ConsumerGroupMember(member_id)
    )
    # All protocols of a request have the same subscription.
    subscription = read_subscription(request.protocols[0].metadata)
    assert subscription is not None, "join_refusal has parsed it"
    wanted = _stored_subscription(before, request, subscription)
    member = subscribe(group, before, member_id, wanted, result)
    owned = from_topic_names(subscription.owned, group.view)
    is_new = member.epoch == JOIN_GROUP_MEMBER_EPOCH
    reconcile(group, member, owned, result, is_new=is_new)
    member.join_by_ms = NO_DEADLINE
    member.sync_by_ms = result.now_ms + request.rebalance_timeout_ms
    group.schedule(member.sync_by_ms)
    return JoinReply(
        member_id=member_id,
        generation_id=member.epoch,
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        protocol_name=request.protocols[0].name,
    )


def _stored_subscription(
    before: ConsumerGroupMember, request: JoinGroup, subscription: Subscription
) -> StoredSubscription:
    return StoredSubscription(
        before.instance_id if request.group_instance_id is None else request.group_instance_id,
        before.rack_id if subscription.rack_id is None else subscription.rack_id,
        request.client,
        tuple(sorted(set(subscription.topics))),
        None,
        request.rebalance_timeout_ms,
        before.server_assignor,
        StoredClassic(request.session_timeout_ms, tuple(request.protocols)),
    )
