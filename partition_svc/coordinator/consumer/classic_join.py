"""JoinGroup to a consumer group that has members: somebody comes, or takes the next step.

Answered at once, with what the group has assigned; SyncGroup tells that. Kafka:
GroupMetadataManager.classicGroupJoinToConsumerGroup.
"""

from common.ports.classic_groups import Joined, JoinGroup
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.join import Joining
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
from partition_svc.coordinator.records.result import Effects
from partition_svc.coordinator.records.stored_consumer import StoredClassic, StoredSubscription


def join_refusal(group: ConsumerGroup, request: JoinGroup) -> GroupRefusal | None:
    """Why nobody may join so. Nothing is wrong with an id that is not known."""
    settings = group.settings
    shortest_ms, longest_ms = settings.min_session_timeout_ms, settings.max_session_timeout_ms
    if not shortest_ms <= request.session_timeout_ms <= longest_ms:
        return GroupRefusal.INVALID_SESSION_TIMEOUT
    if not _knows_protocols(group, request):
        return GroupRefusal.INCONSISTENT_GROUP_PROTOCOL
    known = _known(group, request)
    if isinstance(known, GroupRefusal):
        return known
    if known is None and len(group.members) >= settings.max_size:
        return GroupRefusal.GROUP_MAX_SIZE_REACHED
    return None


def join(group: ConsumerGroup, joining: Joining, effects: Effects) -> None:
    """A static member without an id takes the place of whoever has its instance id."""
    request, ticket, new_member_id = joining
    refusal = join_refusal(group, request)
    if refusal is not None:
        effects.reply(ticket, Joined(request.member_id, refusal=refusal))
    elif not request.member_id and request.group_instance_id is None and request.needs_member_id:
        effects.reply(ticket, Joined(new_member_id, refusal=GroupRefusal.MEMBER_ID_REQUIRED))
    else:
        effects.reply(ticket, _joined(group, request, request.member_id or new_member_id, effects))


def _knows_protocols(group: ConsumerGroup, request: JoinGroup) -> bool:
    """There must be one that all classic members know; what it subscribes to must be readable."""
    if request.protocol_type != CONSUMER_PROTOCOL_TYPE or not request.protocols:
        return False
    names = {one.name for one in request.protocols}
    for member in group.members.values():
        if member.classic is not None:
            names &= {one.name for one in member.classic.protocols}
    return bool(names) and read_subscription(request.protocols[0].metadata) is not None


def _known(group: ConsumerGroup, request: JoinGroup) -> ConsumerGroupMember | GroupRefusal | None:
    """Who is joining; None: somebody new."""
    if request.group_instance_id is None:
        return group.members.get(request.member_id)
    known = group.static_member(request.group_instance_id)
    if not request.member_id:
        return known
    if known is None:
        return GroupRefusal.UNKNOWN_MEMBER_ID
    return known if known.member_id == request.member_id else GroupRefusal.FENCED_INSTANCE_ID


def _joined(group: ConsumerGroup, request: JoinGroup, member_id: str, effects: Effects) -> Joined:
    known = _known(group, request)
    before = known if isinstance(known, ConsumerGroupMember) else ConsumerGroupMember(member_id)
    # All of its protocols say the same of what it subscribes to.
    said = read_subscription(request.protocols[0].metadata)
    assert said is not None
    member = subscribe(group, before, member_id, _wanted(before, request, said), effects)
    reconcile(
        group,
        member,
        from_topic_names(said.owned, group.view),
        effects,
        is_new=member.epoch == JOIN_GROUP_MEMBER_EPOCH,
    )
    member.join_by_ms, member.sync_by_ms = (
        NO_DEADLINE,
        effects.now_ms + request.rebalance_timeout_ms,
    )
    group.schedule(member.sync_by_ms)
    return Joined(
        member_id=member_id,
        generation_id=member.epoch,
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        protocol_name=request.protocols[0].name,
    )


def _wanted(
    before: ConsumerGroupMember, request: JoinGroup, said: Subscription
) -> StoredSubscription:
    return StoredSubscription(
        before.instance_id if request.group_instance_id is None else request.group_instance_id,
        before.rack_id if said.rack_id is None else said.rack_id,
        request.client,
        tuple(sorted(set(said.topics))),
        None,
        request.rebalance_timeout_ms,
        before.server_assignor,
        StoredClassic(request.session_timeout_ms, tuple(request.protocols)),
    )
