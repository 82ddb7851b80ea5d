"""Adapter for classic members of a consumer group: SyncGroup, Heartbeat and LeaveGroup.

The generation of such a member is its epoch. It is never the leader: the group assigns its
partitions, and it takes or revokes them by joining again (`classic_join.py`). Kafka:
classicGroupSyncToConsumerGroup, classicGroupHeartbeatToConsumerGroup,
classicGroupLeaveToConsumerGroup of GroupMetadataManager.
"""

from collections.abc import Iterable

from common.ports.classic_groups import (
    GroupHeartbeat,
    LeaveGroup,
    LeaveReply,
    LeavingMember,
    LeftMember,
    SyncGroup,
    SyncReply,
)
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.consumer.assignment_conversion import to_topic_names
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import ConsumerGroupMember
from partition_svc.coordinator.consumer.targets import refresh_topics
from partition_svc.coordinator.consumer.topic_patterns import Topics
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.consumer_protocol import (
    CONSUMER_PROTOCOL_TYPE,
    read_subscription,
    write_assignment,
)
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored_consumer import (
    MemberState,
    StoredClassic,
    TopicPartition,
)


def sync(group: ConsumerGroup, request: SyncGroup, now_ms: int) -> SyncReply:
    """Returns the assignment of the member in its generation, without waiting."""
    member = _classic_member(group, request.member_id, request.group_instance_id)
    if isinstance(member, GroupRefusal):
        return SyncReply(refusal=member)
    refusal = _sync_refusal(group, member, request, now_ms)
    if refusal is not None or member.classic is None:
        return SyncReply(refusal=refusal)
    member.sync_by_ms = NO_DEADLINE
    group.extend_session(member, now_ms)
    assignment = assignment_bytes(member.assigned, member.classic, group.view)
    return SyncReply(assignment, request.protocol_type, request.protocol_name)


def heartbeat(
    group: ConsumerGroup, request: GroupHeartbeat, result: CoordinatorResult
) -> GroupRefusal | None:
    """Returns REBALANCE_IN_PROGRESS if the member has to join within its rebalance timeout."""
    member = _classic_member(group, request.member_id, request.group_instance_id)
    if isinstance(member, GroupRefusal):
        return member
    if request.generation_id != member.epoch:
        return GroupRefusal.ILLEGAL_GENERATION
    if group.revision != group.view.revision and refresh_topics(group):
        group.bump_epoch(result)
    group.extend_session(member, result.now_ms)
    if not _has_to_join(group, member):
        return None
    _await_join(group, member, result.now_ms)
    return GroupRefusal.REBALANCE_IN_PROGRESS


def leave(group: ConsumerGroup, request: LeaveGroup, result: CoordinatorResult) -> LeaveReply:
    """Removes members of either protocol: operators remove consumer members so, as in Kafka.

    The group may have to be downgraded afterwards.
    """
    leaving: dict[str, ConsumerGroupMember] = {}
    left = [_leave(group, each, leaving) for each in request.members]
    if leaving:
        group.remove_members(leaving.values(), result)
    return LeaveReply(left)


def assignment_bytes(
    assigned: Iterable[TopicPartition], classic: StoredClassic, view: Topics
) -> bytes:
    """Encodes an assignment in the version of the subscription, without deleted topics."""
    subscription = read_subscription(classic.protocols[0].metadata)
    version = 0 if subscription is None else subscription.version
    return write_assignment(version, to_topic_names(assigned, view))


def _leave(
    group: ConsumerGroup, request: LeavingMember, leaving: dict[str, ConsumerGroupMember]
) -> LeftMember:
    """Adds the member to `leaving`, by its member id."""
    member_id, instance_id = request.member_id, request.group_instance_id
    if instance_id is not None and not member_id:
        # An operator removes the member that has the instance id now.
        static = group.static_member(instance_id)
        member_id = static.member_id if static is not None else ""
    member = _member(group, member_id, instance_id)
    if isinstance(member, GroupRefusal):
        return LeftMember(request.member_id, instance_id, member)
    leaving[member_id] = member
    return LeftMember(member_id, instance_id)


def _classic_member(
    group: ConsumerGroup, member_id: str, instance_id: str | None
) -> ConsumerGroupMember | GroupRefusal:
    """Returns the classic member of a request, or why there is none."""
    member = _member(group, member_id, instance_id)
    if isinstance(member, ConsumerGroupMember) and member.classic is None:
        return GroupRefusal.UNKNOWN_MEMBER_ID
    return member


def _member(
    group: ConsumerGroup, member_id: str, instance_id: str | None
) -> ConsumerGroupMember | GroupRefusal:
    """Returns the member of a request, of either protocol, or why there is none."""
    if instance_id is None:
        member = group.members.get(member_id)
    else:
        member = group.static_member(instance_id)
        if member is not None and member.member_id != member_id:
            return GroupRefusal.FENCED_INSTANCE_ID
    return GroupRefusal.UNKNOWN_MEMBER_ID if member is None else member


def _sync_refusal(
    group: ConsumerGroup, member: ConsumerGroupMember, request: SyncGroup, now_ms: int
) -> GroupRefusal | None:
    if request.generation_id != member.epoch:
        return GroupRefusal.ILLEGAL_GENERATION
    name = member.classic.protocols[0].name if member.classic else ""
    is_same_type = request.protocol_type in (None, CONSUMER_PROTOCOL_TYPE)
    if not is_same_type or request.protocol_name not in (None, name):
        return GroupRefusal.INCONSISTENT_GROUP_PROTOCOL
    if group.epoch > member.epoch and member.state is not MemberState.UNREVOKED_PARTITIONS:
        _await_join(group, member, now_ms)
        return GroupRefusal.REBALANCE_IN_PROGRESS
    return None


def _has_to_join(group: ConsumerGroup, member: ConsumerGroupMember) -> bool:
    """True if the member is behind the epoch, or all partitions that it waits for are released."""
    if member.epoch < group.epoch:
        return True
    missing = group.target(member) - member.assigned
    return member.state is MemberState.UNRELEASED_PARTITIONS and all(
        map(group.is_free_for(member), missing)
    )


def _await_join(group: ConsumerGroup, member: ConsumerGroupMember, now_ms: int) -> None:
    """Starts the rebalance timeout of the member, unless it is running."""
    if member.join_by_ms == NO_DEADLINE:
        member.join_by_ms = now_ms + member.rebalance_timeout_ms
        group.schedule(member.join_by_ms)
