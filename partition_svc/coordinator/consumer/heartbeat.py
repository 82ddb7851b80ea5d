"""ConsumerGroupHeartbeat: a member joins, leaves, or follows its target assignment (KIP-848).

Kafka: GroupMetadataManager.consumerGroupHeartbeat.
"""

from typing import Final

from common.ports.consumer_groups import (
    LEAVE_GROUP_MEMBER_EPOCH,
    ConsumerHeartbeat,
    ConsumerHeartbeatReply,
)
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.consumer.assignment_conversion import (
    from_owned_partitions,
    to_owned_partitions,
)
from partition_svc.coordinator.consumer.assignors import ASSIGNORS
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import (
    JOIN_GROUP_MEMBER_EPOCH,
    LEAVE_GROUP_STATIC_MEMBER_EPOCH,
    ConsumerGroupMember,
)
from partition_svc.coordinator.consumer.reconcile import reconcile, subscribe
from partition_svc.coordinator.consumer.topic_patterns import InvalidPattern, compile_pattern
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored_consumer import (
    Assignment,
    StoredSubscription,
)

#: Limit of topics, and of partitions, of one member. More would delay all other groups.
_ELEMENTS_MAX: Final = 100_000


class _Rejected(Exception):
    """Raised for a heartbeat that is rejected; `reply` is the response."""

    def __init__(self, refusal: GroupRefusal, message: str) -> None:
        super().__init__(message)
        self.reply = ConsumerHeartbeatReply(refusal=refusal, message=message)


def consumer_heartbeat(
    group: ConsumerGroup, request: ConsumerHeartbeat, result: CoordinatorResult
) -> ConsumerHeartbeatReply:
    """Returns the response. A rejected heartbeat changes nothing.

    The request has a member id. After a member left, check `group.should_downgrade`.
    """
    try:
        _check(request)
        if request.member_epoch in (LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH):
            return _leave(group, request, result)
        return _update(group, request, result)
    except _Rejected as rejected:
        return rejected.reply


def _check(request: ConsumerHeartbeat) -> None:
    """Validates the fields of a request (throwIfConsumerGroupHeartbeatRequestIsInvalid)."""
    epoch = request.member_epoch
    message = None
    if request.instance_id == "" or (
        epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH and request.instance_id is None
    ):
        message = "InstanceId can't be empty."
    elif request.rack_id == "":
        message = "RackId can't be empty."
    elif epoch < LEAVE_GROUP_STATIC_MEMBER_EPOCH:
        message = "MemberEpoch is invalid."
    elif _is_too_large(request):
        message = f"More than {_ELEMENTS_MAX} topics or partitions are not supported."
    elif epoch == JOIN_GROUP_MEMBER_EPOCH:
        message = _invalid_join(request)
    if message is not None:
        raise _Rejected(GroupRefusal.INVALID_REQUEST, message)
    if request.server_assignor is not None and request.server_assignor not in ASSIGNORS:
        raise _Rejected(
            GroupRefusal.UNSUPPORTED_ASSIGNOR,
            f"ServerAssignor {request.server_assignor} is not supported. "
            f"Supported assignors: {', '.join(ASSIGNORS)}.",
        )


def _is_too_large(request: ConsumerHeartbeat) -> bool:
    names, owned = request.subscribed_topic_names or (), request.owned or ()
    count = max(len(names), len(owned))
    return count > _ELEMENTS_MAX or sum(len(topic.partitions) for topic in owned) > _ELEMENTS_MAX


def _invalid_join(request: ConsumerHeartbeat) -> str | None:
    if request.rebalance_timeout_ms == -1:
        return "RebalanceTimeoutMs must be provided in first request."
    if request.owned is None or len(request.owned):
        return "TopicPartitions must be empty when (re-)joining."
    if request.subscribed_topic_names is None and request.subscribed_topic_regex is None:
        return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null."
    return None


def _update(
    group: ConsumerGroup, request: ConsumerHeartbeat, result: CoordinatorResult
) -> ConsumerHeartbeatReply:
    owned = None if request.owned is None else from_owned_partitions(request.owned)
    before = _existing_member(group, request, owned) or ConsumerGroupMember(request.member_id)
    subscription = _merged_subscription(before, request)
    if before.classic is not None:
        before.join_by_ms = before.sync_by_ms = NO_DEADLINE
    member = subscribe(group, before, request.member_id, subscription, result)
    is_new = request.member_epoch == JOIN_GROUP_MEMBER_EPOCH
    is_changed = reconcile(group, member, owned, result, is_new=is_new)
    is_behind = request.member_epoch != member.epoch
    has_assignment = is_new or is_changed or is_behind or _is_full(request)
    return ConsumerHeartbeatReply(
        member.member_id,
        member.epoch,
        group.settings.consumer_heartbeat_interval_ms,
        to_owned_partitions(member.assigned) if has_assignment else None,
    )


def _existing_member(
    group: ConsumerGroup, request: ConsumerHeartbeat, owned: Assignment | None
) -> ConsumerGroupMember | None:
    """Returns the member that sent the request, or None if it is new.

    A static member that returns has another member id here. A member may join again and keeps its
    assignment: its response was lost, or another client fenced it (KAFKA-19233). It may then have
    an instance id for the first time.
    """
    joins = request.member_epoch == JOIN_GROUP_MEMBER_EPOCH
    member = None if request.instance_id is None else group.static_member(request.instance_id)
    if member is None and (request.instance_id is None or joins):
        member = group.members.get(request.member_id)
    if member is None:
        if not joins:
            raise _unknown_member(group, request)
        if len(group.members) >= group.settings.max_size:
            raise _Rejected(
                GroupRefusal.GROUP_MAX_SIZE_REACHED,
                "The consumer group has reached its maximum capacity of "
                f"{group.settings.max_size} members.",
            )
        return None
    may_be_replaced = member.has_left_temporarily or (
        member.classic is not None and member.member_id != request.member_id
    )
    if member.member_id != request.member_id and not (joins and may_be_replaced):
        raise _instance_id_in_use(member, request)
    if not joins:
        _check_epoch(member, request, owned)
    return member


def _instance_id_in_use(owner: ConsumerGroupMember, request: ConsumerHeartbeat) -> _Rejected:
    who = f"Static member {request.member_id} with instance id {request.instance_id}"
    if request.member_epoch == JOIN_GROUP_MEMBER_EPOCH:
        return _Rejected(
            GroupRefusal.UNRELEASED_INSTANCE_ID,
            f"{who} cannot join the group because the instance id is owned by "
            f"{owner.member_id} member.",
        )
    return _Rejected(
        GroupRefusal.FENCED_INSTANCE_ID, f"{who} was fenced by member {owner.member_id}."
    )


def _unknown_member(group: ConsumerGroup, request: ConsumerHeartbeat) -> _Rejected:
    if not group.is_stored:
        message = f"Consumer group {group.group_id} not found."
        return _Rejected(GroupRefusal.GROUP_ID_NOT_FOUND, message)
    message = f"Member {request.member_id} is not a member of group {group.group_id}."
    return _Rejected(GroupRefusal.UNKNOWN_MEMBER_ID, message)


def _check_epoch(
    member: ConsumerGroupMember, request: ConsumerHeartbeat, owned: Assignment | None
) -> None:
    """Accepts the previous epoch too: the response with the current one may have been lost."""
    if request.member_epoch == member.epoch:
        return
    may_have_missed = request.member_epoch == member.previous_epoch
    if may_have_missed and owned is not None and owned <= member.assigned:
        return
    order = "greater" if request.member_epoch > member.epoch else "smaller"
    raise _Rejected(
        GroupRefusal.FENCED_MEMBER_EPOCH,
        f"The consumer group member has a {order} member epoch ({request.member_epoch}) than the "
        f"one known by the group coordinator ({member.epoch}). The member must abandon all its "
        "partitions and rejoin.",
    )


def _merged_subscription(
    member: ConsumerGroupMember, request: ConsumerHeartbeat
) -> StoredSubscription:
    """Returns the subscription; fields that the request leaves out stay as they are."""
    names, expression = request.subscribed_topic_names, request.subscribed_topic_regex
    if expression:
        try:
            compile_pattern(expression)
        except InvalidPattern as error:
            raise _Rejected(
                GroupRefusal.INVALID_REGULAR_EXPRESSION,
                f"SubscribedTopicRegex `{expression}` is not a valid regular expression: {error}.",
            ) from error
    timeout_ms, assignor = request.rebalance_timeout_ms, request.server_assignor
    return StoredSubscription(
        member.instance_id if request.instance_id is None else request.instance_id,
        member.rack_id if request.rack_id is None else request.rack_id,
        request.client,
        member.topic_names if names is None else tuple(sorted(set(names))),
        member.topic_regex if expression is None else expression or None,
        member.rebalance_timeout_ms if timeout_ms == -1 else timeout_ms,
        member.server_assignor if assignor is None else assignor,
    )


def _is_full(request: ConsumerHeartbeat) -> bool:
    """True for a full request, which gets a full response."""
    names, expression = request.subscribed_topic_names, request.subscribed_topic_regex
    has_subscription = names is not None or expression is not None
    return request.rebalance_timeout_ms != -1 and has_subscription and request.owned is not None


def _leave(
    group: ConsumerGroup, request: ConsumerHeartbeat, result: CoordinatorResult
) -> ConsumerHeartbeatReply:
    if request.instance_id is None:
        member = group.members.get(request.member_id)
    else:
        member = group.static_member(request.instance_id)
    if member is None:
        raise _unknown_member(group, request)
    if member.member_id != request.member_id:
        raise _instance_id_in_use(member, request)
    if request.member_epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH:
        before = member.assigned_or_revoking
        member.leave_temporarily()
        group.update_owners(member, before)
        group.store_current_assignment(member, result)
    else:
        group.remove_members([member], result)
    return ConsumerHeartbeatReply(request.member_id, request.member_epoch)
