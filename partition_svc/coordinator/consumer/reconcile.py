"""Heartbeats and joins of members: a change of the subscription, then a step towards the target.

The same for members of either protocol. Kafka: hasMemberSubscriptionChanged, replaceMember,
maybeReconcile of GroupMetadataManager.
"""

from dataclasses import replace

from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import (
    JOIN_GROUP_MEMBER_EPOCH,
    ConsumerGroupMember,
)
from partition_svc.coordinator.consumer.targets import refresh_topics, update_targets
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored_consumer import (
    EMPTY_ASSIGNMENT,
    Assignment,
    MemberState,
    StoredSubscription,
)


def subscribe(
    group: ConsumerGroup,
    before: ConsumerGroupMember,
    member_id: str,
    subscription: StoredSubscription,
    result: CoordinatorResult,
) -> ConsumerGroupMember:
    """Sets the subscription of a member, and updates the targets if that changed anything.

    `before`: the member as it was. It has another id if a static member returned, and is not in
    the group if the member is new. Returns the member under `member_id`.
    """
    old = before.subscription()
    is_new = before.member_id not in group.members
    is_changed = is_new or _assignor_input(old) != _assignor_input(subscription)
    member = before
    if old != subscription or before.member_id != member_id:
        member = _with_member_id(group, before, member_id, result)
        member.subscribe(subscription)
        group.store_subscription(member, result)
    if is_changed or group.revision != group.view.revision:
        is_changed |= refresh_topics(group)
    if is_changed:
        group.bump_epoch(result)
    update_targets(group, result)
    return member


def reconcile(
    group: ConsumerGroup,
    member: ConsumerGroupMember,
    owned: Assignment | None,
    result: CoordinatorResult,
    *,
    is_new: bool,
) -> bool:
    """Takes the next step towards the target; True if the assignment changed.

    `owned`: the partitions that the request lists, None if it lists none.
    """
    before, owned_before = member.current(), member.assigned_or_revoking
    if member.has_left_temporarily:
        member.epoch = member.previous_epoch = JOIN_GROUP_MEMBER_EPOCH
    member.reconcile(group.target(member), group.assignment_epoch, owned, group.is_free_for(member))
    group.update_owners(member, owned_before)
    if is_new or member.current() != before:
        group.store_current_assignment(member, result)
        is_revoking = member.state is MemberState.UNREVOKED_PARTITIONS and member.classic is None
        revoke_by_ms = result.now_ms + member.rebalance_timeout_ms
        member.revoke_by_ms = revoke_by_ms if is_revoking else NO_DEADLINE
        group.schedule(member.revoke_by_ms)
    group.extend_session(member, result.now_ms)
    return member.assigned != before.assigned


def _assignor_input(subscription: StoredSubscription) -> tuple[object, ...]:
    """Returns the fields that assignments depend on."""
    return (
        subscription.rack_id,
        subscription.topic_names,
        subscription.topic_regex,
        subscription.server_assignor,
    )


def _with_member_id(
    group: ConsumerGroup, before: ConsumerGroupMember, member_id: str, result: CoordinatorResult
) -> ConsumerGroupMember:
    """Returns the member under `member_id`, with the assignment and the target of `before`."""
    if before.member_id == member_id:
        group.members[member_id] = before
        return before
    target = group.target(before)
    group.remove_member(before, result)
    member = replace(before, member_id=member_id)
    member.epoch = member.previous_epoch = JOIN_GROUP_MEMBER_EPOCH
    group.members[member_id] = member
    group.update_owners(member, EMPTY_ASSIGNMENT)
    group.store_target(member_id, target, result)
    return member
