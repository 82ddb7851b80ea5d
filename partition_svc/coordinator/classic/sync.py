"""SyncGroup: receives the assignment from the leader and sends each member its part.

Kafka: GroupMetadataManager.classicGroupSyncToClassicGroup.
"""

from common.ports.classic_groups import SyncGroup, SyncReply
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.member import ClassicGroupMember
from partition_svc.coordinator.classic.state import ClassicGroupEvent, ClassicGroupState
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import CoordinatorResult, PendingReply


def sync(
    group: ClassicGroup, request: SyncGroup, pending: PendingReply, result: CoordinatorResult
) -> None:
    """Holds the request until the leader's SyncGroup supplies the assignment."""
    refusal = _refusal(group, request)
    if refusal is not None:
        result.reply(pending, SyncReply(refusal=refusal))
        return
    member = group.members[request.member_id]
    _mark_synced(group, member)
    if group.state is ClassicGroupState.STABLE:
        result.reply(pending, _assignment(group, member))
        return
    member.hold_sync(pending, result)
    if member.member_id == group.members.leader:
        _assign(group, request, result)


def _refusal(group: ClassicGroup, request: SyncGroup) -> GroupRefusal | None:
    if not group.group_id:
        return GroupRefusal.INVALID_GROUP_ID
    refusal = group.members.check(request.member_id, request.group_instance_id)
    if refusal is not None:
        return refusal
    if request.generation_id != group.generation_id:
        return GroupRefusal.ILLEGAL_GENERATION
    if not _is_same_protocol(group, request):
        return GroupRefusal.INCONSISTENT_GROUP_PROTOCOL
    if group.state is ClassicGroupState.PREPARING_REBALANCE:
        return GroupRefusal.REBALANCE_IN_PROGRESS
    return None


def _is_same_protocol(group: ClassicGroup, request: SyncGroup) -> bool:
    """True if the request names the protocol of the generation, or none (KIP-559)."""
    return request.protocol_type in (None, group.protocol_type) and request.protocol_name in (
        None,
        group.protocol,
    )


def _mark_synced(group: ClassicGroup, member: ClassicGroupMember) -> None:
    group.members.not_synced.discard(member.member_id)
    if not group.members.not_synced:
        group.sync_by_ms = NO_DEADLINE


def _assign(group: ClassicGroup, request: SyncGroup, result: CoordinatorResult) -> None:
    """Members that the leader did not list get an empty assignment."""
    assignments = {each.member_id: each.assignment for each in request.assignments}
    group.transition_at(ClassicGroupEvent.ASSIGNMENT_RECEIVED, result)
    for member in group.members:
        member.assignment = assignments.get(member.member_id, b"")
        if member.pending_sync is not None:
            member.respond_to_sync(_assignment(group, member), result)
            group.extend_session(member, result.now_ms)
    group.store(result)


def _assignment(group: ClassicGroup, member: ClassicGroupMember) -> SyncReply:
    return SyncReply(member.assignment, group.protocol_type, group.protocol)
