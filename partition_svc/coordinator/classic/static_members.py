"""JoinGroup of a static member without its member id (KIP-345): replaces the old member.

Kafka: GroupMetadataManager.updateStaticMemberThenRebalanceOrCompleteJoin.
"""

from common.ports.classic_groups import JoinGroup
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic import rebalance
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.member import ClassicGroupMember, joining_member
from partition_svc.coordinator.classic.state import ClassicGroupState
from partition_svc.coordinator.records.result import CoordinatorResult, PendingReply


def replace(
    group: ClassicGroup,
    member: ClassicGroupMember,
    pending_join: tuple[JoinGroup, PendingReply, str],
    result: CoordinatorResult,
) -> None:
    """Replaces `member`, which is fenced from now on, by one with a new member id.

    A Stable group that keeps its protocol does not rebalance: the assignment stays.
    """
    request, pending, new_member_id = pending_join
    old_leader = group.members.leader
    new_member = joining_member(request, new_member_id)
    new_member.assignment = member.assignment
    member.reject_pending(GroupRefusal.FENCED_INSTANCE_ID, result)
    group.members.replace(member, new_member)
    group.extend_session(new_member, result.now_ms)
    new_member.hold_join(pending, result)
    is_stable = group.state is ClassicGroupState.STABLE
    if is_stable and group.members.choose_protocol() == group.protocol:
        _respond_without_rebalance(group, new_member, request, old_leader, result)
    else:
        rebalance.rebalance_or_complete_join(group, result)


def _respond_without_rebalance(
    group: ClassicGroup,
    new_member: ClassicGroupMember,
    request: JoinGroup,
    old_leader: str | None,
    result: CoordinatorResult,
) -> None:
    """Makes sure that a returning leader does not compute an assignment.

    A leader that supports KIP-814 gets skip_assignment; an older one gets its former
    member id as the leader.
    """
    leads = group.members.leader == new_member.member_id
    may_lead = request.may_skip_assignment
    joined = rebalance.current_generation(group, new_member, leads=leads and may_lead)
    joined.skip_assignment = leads and may_lead
    if not may_lead:
        joined.leader = old_leader or ""
    new_member.respond_to_join(joined, result)
    group.store(result)
