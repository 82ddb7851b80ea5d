"""What a consumer group's member says with a heartbeat, and what it is told to have (KIP-848).

Kafka: GroupMetadataManager.consumerGroupHeartbeat.
"""

from typing import Final

from common.ports.consumer_groups import ConsumerHeartbeat, ConsumerHeartbeatTaken
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.consumer.assignment_conversion import (
    from_owned_partitions,
    to_owned_partitions,
)
from partition_svc.coordinator.consumer.assignors import ASSIGNORS
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import (
    JOIN_GROUP_MEMBER_EPOCH,
    LEAVE_GROUP_MEMBER_EPOCH,
    LEAVE_GROUP_STATIC_MEMBER_EPOCH,
    ConsumerGroupMember,
    MemberState,
)
from partition_svc.coordinator.consumer.reconcile import reconcile, subscribe
from partition_svc.coordinator.consumer.topic_patterns import InvalidPattern, compiled
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import Effects
from partition_svc.coordinator.records.stored_consumer import (
    EMPTY_ASSIGNMENT,
    Assignment,
    StoredSubscription,
)

#: Topics, and partitions, of one member.
_ELEMENTS_MAX: Final = 100_000


class _Refusal(Exception):
    def __init__(self, refusal: GroupRefusal, message: str) -> None:
        super().__init__(message)
        self.taken = ConsumerHeartbeatTaken(refusal=refusal, message=message)


def consumer_heartbeat(
    group: ConsumerGroup, request: ConsumerHeartbeat, effects: Effects
) -> ConsumerHeartbeatTaken:
    """A refused heartbeat changes nothing. `request.member_id` is there.

    When somebody leaves, the group may be one that `should_downgrade`.
    """
    try:
        _check(request)
        if request.member_epoch in (LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH):
            return _leave(group, request, effects)
        return _stay(group, request, effects)
    except _Refusal as refusal:
        return refusal.taken


def _check(request: ConsumerHeartbeat) -> None:
    """Of a request by itself (throwIfConsumerGroupHeartbeatRequestIsInvalid)."""
    epoch = request.member_epoch
    wrong = None
    if request.instance_id == "" or (
        epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH and request.instance_id is None
    ):
        wrong = "InstanceId can't be empty."
    elif request.rack_id == "":
        wrong = "RackId can't be empty."
    elif epoch < LEAVE_GROUP_STATIC_MEMBER_EPOCH:
        wrong = "MemberEpoch is invalid."
    elif _is_too_much(request):
        wrong = f"More than {_ELEMENTS_MAX} topics or partitions are not supported."
    elif epoch == JOIN_GROUP_MEMBER_EPOCH:
        wrong = _wrong_with_join(request)
    if wrong is not None:
        raise _Refusal(GroupRefusal.INVALID_REQUEST, wrong)
    if request.server_assignor is not None and request.server_assignor not in ASSIGNORS:
        raise _Refusal(
            GroupRefusal.UNSUPPORTED_ASSIGNOR,
            f"ServerAssignor {request.server_assignor} is not supported. "
            f"Supported assignors: {', '.join(ASSIGNORS)}.",
        )


def _is_too_much(request: ConsumerHeartbeat) -> bool:
    """Work on it would hold up every other group."""
    names, owned = request.subscribed_topic_names or (), request.owned or ()
    count = max(len(names), len(owned))
    return count > _ELEMENTS_MAX or sum(len(one.partitions) for one in owned) > _ELEMENTS_MAX


def _wrong_with_join(request: ConsumerHeartbeat) -> str | None:
    if request.rebalance_timeout_ms == -1:
        return "RebalanceTimeoutMs must be provided in first request."
    if request.owned is None or len(request.owned):
        return "TopicPartitions must be empty when (re-)joining."
    if request.subscribed_topic_names is None and request.subscribed_topic_regex is None:
        return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null."
    return None


def _stay(
    group: ConsumerGroup, request: ConsumerHeartbeat, effects: Effects
) -> ConsumerHeartbeatTaken:
    owned = None if request.owned is None else from_owned_partitions(request.owned)
    before = _known(group, request, owned) or ConsumerGroupMember(request.member_id)
    wanted = _wanted(before, request)
    if before.classic is not None:
        before.join_by_ms = before.sync_by_ms = NO_DEADLINE
    member = subscribe(group, before, request.member_id, wanted, effects)
    is_new = request.member_epoch == JOIN_GROUP_MEMBER_EPOCH
    is_changed = reconcile(group, member, owned, effects, is_new=is_new)
    is_told = is_new or is_changed or _is_full(request) or request.member_epoch != member.epoch
    return ConsumerHeartbeatTaken(
        member.member_id,
        member.epoch,
        group.settings.consumer_heartbeat_interval_ms,
        to_owned_partitions(member.assigned) if is_told else None,
    )


def _known(
    group: ConsumerGroup, request: ConsumerHeartbeat, owned: Assignment | None
) -> ConsumerGroupMember | None:
    """Who is talking; None: somebody new. A static member may be known by another id.

    A member may join again and keeps its assignment: the answer was lost, or it was fenced by
    somebody else (KAFKA-19233). Then it may give an instance id for the first time.
    """
    joins = request.member_epoch == JOIN_GROUP_MEMBER_EPOCH
    known = None if request.instance_id is None else group.static_member(request.instance_id)
    if known is None and (request.instance_id is None or joins):
        known = group.members.get(request.member_id)
    if known is None:
        if not joins:
            raise _unknown(group, request)
        if len(group.members) >= group.settings.max_size:
            raise _Refusal(
                GroupRefusal.GROUP_MAX_SIZE_REACHED,
                "The consumer group has reached its maximum capacity of "
                f"{group.settings.max_size} members.",
            )
        return None
    may_be_replaced = known.has_left_temporarily or (
        known.classic is not None and known.member_id != request.member_id
    )
    if known.member_id != request.member_id and not (joins and may_be_replaced):
        raise _taken(known, request)
    if not joins:
        _check_epoch(known, request, owned)
    return known


def _taken(known: ConsumerGroupMember, request: ConsumerHeartbeat) -> _Refusal:
    who = f"Static member {request.member_id} with instance id {request.instance_id}"
    if request.member_epoch == JOIN_GROUP_MEMBER_EPOCH:
        return _Refusal(
            GroupRefusal.UNRELEASED_INSTANCE_ID,
            f"{who} cannot join the group because the instance id is owned by "
            f"{known.member_id} member.",
        )
    return _Refusal(
        GroupRefusal.FENCED_INSTANCE_ID, f"{who} was fenced by member {known.member_id}."
    )


def _unknown(group: ConsumerGroup, request: ConsumerHeartbeat) -> _Refusal:
    if not group.is_stored:
        message = f"Consumer group {group.group_id} not found."
        return _Refusal(GroupRefusal.GROUP_ID_NOT_FOUND, message)
    message = f"Member {request.member_id} is not a member of group {group.group_id}."
    return _Refusal(GroupRefusal.UNKNOWN_MEMBER_ID, message)


def _check_epoch(
    member: ConsumerGroupMember, request: ConsumerHeartbeat, owned: Assignment | None
) -> None:
    """The epoch before is taken where the answer with its own may have been lost."""
    if request.member_epoch == member.epoch:
        return
    may_be_late = request.member_epoch == member.previous_epoch
    if may_be_late and owned is not None and owned <= member.assigned:
        return
    order = "greater" if request.member_epoch > member.epoch else "smaller"
    raise _Refusal(
        GroupRefusal.FENCED_MEMBER_EPOCH,
        f"The consumer group member has a {order} member epoch ({request.member_epoch}) than the "
        f"one known by the group coordinator ({member.epoch}). The member must abandon all its "
        "partitions and rejoin.",
    )


def _wanted(member: ConsumerGroupMember, request: ConsumerHeartbeat) -> StoredSubscription:
    """What the member wants from now on: what it does not say is as it was."""
    names, expression = request.subscribed_topic_names, request.subscribed_topic_regex
    if expression:
        try:
            compiled(expression)
        except InvalidPattern as error:
            raise _Refusal(
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
    """Whether it says everything, and wants to be told everything."""
    names, expression = request.subscribed_topic_names, request.subscribed_topic_regex
    has_subscription = names is not None or expression is not None
    return request.rebalance_timeout_ms != -1 and has_subscription and request.owned is not None


def _leave(
    group: ConsumerGroup, request: ConsumerHeartbeat, effects: Effects
) -> ConsumerHeartbeatTaken:
    if request.instance_id is None:
        member = group.members.get(request.member_id)
    else:
        member = group.static_member(request.instance_id)
    if member is None:
        raise _unknown(group, request)
    if member.member_id != request.member_id:
        raise _taken(member, request)
    if request.member_epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH:
        assigned_or_revoking = member.assigned_or_revoking
        member.epoch, member.state, member.revoking = (
            LEAVE_GROUP_STATIC_MEMBER_EPOCH,
            MemberState.STABLE,
            EMPTY_ASSIGNMENT,
        )
        member.revoke_by_ms = NO_DEADLINE
        group.update_owners(member, assigned_or_revoking)
        group.store_current_assignment(member, effects)
    else:
        group.remove_members([member], effects)
    return ConsumerHeartbeatTaken(request.member_id, request.member_epoch)
