"""A member of a consumer group says what it wants, and takes a step to what it is to have.

The same for members of either protocol. Kafka: hasMemberSubscriptionChanged, replaceMember,
maybeReconcile of GroupMetadataManager.
"""

from dataclasses import replace

from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import (
    JOIN_GROUP_MEMBER_EPOCH,
    ConsumerGroupMember,
    MemberState,
)
from partition_svc.coordinator.consumer.targets import assign, refresh_topics
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import Effects
from partition_svc.coordinator.records.stored_consumer import (
    EMPTY_ASSIGNMENT,
    Assignment,
    StoredSubscription,
)


def subscribe(
    group: ConsumerGroup,
    before: ConsumerGroupMember,
    member_id: str,
    wanted: StoredSubscription,
    effects: Effects,
) -> ConsumerGroupMember:
    """The member under `member_id`, who wants `wanted` from now on; all have targets for that.

    `before`: it as it was, under another id where a static member came back, or not in the group.
    """
    was = before.subscription()
    is_other = before.member_id not in group.members or _choice(was) != _choice(wanted)
    member = before
    if was != wanted or before.member_id != member_id:
        member = _taken_over(group, before, member_id, effects)
        member.subscribe(wanted)
        group.store_subscription(member, effects)
    if is_other or group.revision != group.view.revision:
        is_other |= refresh_topics(group)
    if is_other:
        group.bump_epoch(effects)
    assign(group, effects)
    return member


def _choice(one: StoredSubscription) -> tuple[object, ...]:
    """What assignments are made of."""
    return one.rack_id, one.topic_names, one.topic_regex, one.server_assignor


def _taken_over(
    group: ConsumerGroup, before: ConsumerGroupMember, member_id: str, effects: Effects
) -> ConsumerGroupMember:
    """The member under `member_id`, with what it had under another one."""
    if before.member_id == member_id:
        group.members[member_id] = before
        return before
    target = group.target(before)
    group.remove_member(before, effects)
    member = replace(
        before,
        member_id=member_id,
        epoch=JOIN_GROUP_MEMBER_EPOCH,
        previous_epoch=JOIN_GROUP_MEMBER_EPOCH,
    )
    group.members[member_id] = member
    group.update_owners(member, EMPTY_ASSIGNMENT)
    group.store_target(member_id, target, effects)
    return member


def reconcile(
    group: ConsumerGroup,
    member: ConsumerGroupMember,
    owned: Assignment | None,
    effects: Effects,
    *,
    is_new: bool,
) -> bool:
    """`owned`: what it says that it has. Whether it is assigned something else from now on."""
    before, assigned_or_revoking = member.current(), member.assigned_or_revoking
    if member.has_left_temporarily:
        member.epoch = member.previous_epoch = JOIN_GROUP_MEMBER_EPOCH
    member.reconcile(group.target(member), group.assignment_epoch, owned, group.is_free_for(member))
    group.update_owners(member, assigned_or_revoking)
    if is_new or member.current() != before:
        group.store_current_assignment(member, effects)
        is_revoking = member.state is MemberState.UNREVOKED_PARTITIONS and member.classic is None
        member.revoke_by_ms = (
            effects.now_ms + member.rebalance_timeout_ms if is_revoking else NO_DEADLINE
        )
        group.schedule(member.revoke_by_ms)
    group.extend_session(member, effects.now_ms)
    return member.assigned != before.assigned
