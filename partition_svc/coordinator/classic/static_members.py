"""A static member came back without its member id (KIP-345): it takes its old place.

Kafka: GroupMetadataManager.updateStaticMemberThenRebalanceOrCompleteJoin.
"""

from common.ports.classic_groups import JoinGroup
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic import rebalance
from partition_svc.coordinator.classic.group import ClassicGroup, ClassicGroupState
from partition_svc.coordinator.classic.member import ClassicGroupMember, joining_member
from partition_svc.coordinator.records.result import Effects, Ticket


def replace(
    group: ClassicGroup,
    member: ClassicGroupMember,
    joining: tuple[JoinGroup, Ticket, str],
    effects: Effects,
) -> None:
    """Puts a member with a new id in the place of `member`, which is fenced from now on.

    A Stable group whose protocol stays needs no rebalance: the newcomer has the old assignment.
    """
    request, ticket, new_member_id = joining
    old_leader = group.members.leader
    newcomer = joining_member(request, new_member_id)
    newcomer.assignment = member.assignment
    member.refuse_waiting(GroupRefusal.FENCED_INSTANCE_ID, effects)
    group.members.replace(member, newcomer)
    group.extend_session(newcomer, effects.now_ms)
    newcomer.park_join(ticket, effects)
    is_settled = group.state is ClassicGroupState.STABLE
    if is_settled and group.members.choose_protocol() == group.protocol:
        _hand_over(group, newcomer, request, old_leader, effects)
    else:
        rebalance.rebalance_or_go_on(group, effects)


def _hand_over(
    group: ClassicGroup,
    newcomer: ClassicGroupMember,
    request: JoinGroup,
    old_leader: str | None,
    effects: Effects,
) -> None:
    """A leader that knows KIP-814 leads on without assigning; an older one must not try to assign.

    So the older one is told that the leader is its former self.
    """
    leads = group.members.leader == newcomer.member_id
    may_lead = request.may_skip_assignment
    joined = rebalance.current_generation(group, newcomer, leads=leads and may_lead)
    joined.skip_assignment = leads and may_lead
    if not may_lead:
        joined.leader = old_leader or ""
    newcomer.answer_join(joined, effects)
    group.store(effects)
