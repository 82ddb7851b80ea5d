"""LeaveGroup: removes members, several at once, by member id or by instance id (KIP-345).

Kafka: GroupMetadataManager.classicGroupLeaveToClassicGroup.
"""

from common.ports.classic_groups import LeaveGroup, LeaveReply, LeavingMember, LeftMember
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic import rebalance
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.records.result import CoordinatorResult


def leave(group: ClassicGroup, request: LeaveGroup, result: CoordinatorResult) -> LeaveReply:
    """Removes the members and rebalances the group, or completes a join that waited for them."""
    if not group.group_id:
        return LeaveReply(refusal=GroupRefusal.INVALID_GROUP_ID)
    count = len(group.members)
    left = [
        LeftMember(leaving.member_id, leaving.group_instance_id, _remove(group, leaving, result))
        for leaving in request.members
    ]
    if len(group.members) < count:
        rebalance.rebalance_or_complete_join(group, result)
    else:
        rebalance.maybe_complete_join(group, result)
    return LeaveReply(left)


def _remove(
    group: ClassicGroup, leaving: LeavingMember, result: CoordinatorResult
) -> GroupRefusal | None:
    members = group.members
    if leaving.member_id in members.pending:
        del members.pending[leaving.member_id]
        return None
    member_id = leaving.member_id or members.id_of(leaving.group_instance_id) or ""
    refusal = members.check(member_id, leaving.group_instance_id)
    if refusal is None:
        group.remove_member(members[member_id], result)
    return refusal
