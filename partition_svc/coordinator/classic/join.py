"""JoinGroup: a new member joins a classic group, or a member joins its next generation.

Kafka: GroupMetadataManager.classicGroupJoinToClassicGroup and what it calls. KIP-394: dynamic
members get a member id first, so that a lost response does not leave a member without a client.
"""

from typing import Final, NamedTuple

from common.ports.classic_groups import JoinGroup, JoinReply
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic import rebalance, static_members
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.member import joining_member
from partition_svc.coordinator.classic.state import ClassicGroupState
from partition_svc.coordinator.records.result import CoordinatorResult, PendingReply

#: Limit of pending member ids in a group; more than a group has members.
_PENDING_MAX: Final = 10_000


class PendingJoin(NamedTuple):
    """A JoinGroup request. `new_member_id`: used where the request has none; never used before."""

    request: JoinGroup
    pending: PendingReply
    new_member_id: str


def join(group: ClassicGroup, pending_join: PendingJoin, result: CoordinatorResult) -> None:
    """Responds at once if the request is rejected or changes nothing, else with the generation."""
    request, pending, _ = pending_join
    member_id = request.member_id
    refusal = _refusal(group, request)
    if refusal is not None:
        result.reply(pending, JoinReply(member_id, refusal=refusal))
    elif not _has_room(group, member_id):
        result.reply(pending, JoinReply(refusal=GroupRefusal.GROUP_MAX_SIZE_REACHED))
        _reject_surplus(group, member_id, result)
    elif not member_id:
        _join_without_id(group, pending_join, result)
    elif member_id not in group.members.pending:
        _rejoin(group, pending_join, result)
    elif request.group_instance_id is not None:
        # Kafka raises an IllegalStateException: static members never get pending ids.
        result.reply(pending, JoinReply(refusal=GroupRefusal.UNKNOWN_SERVER_ERROR))
    else:
        _add_member(group, pending_join, member_id, result)


def _refusal(group: ClassicGroup, request: JoinGroup) -> GroupRefusal | None:
    settings = group.settings
    shortest_ms, longest_ms = settings.min_session_timeout_ms, settings.max_session_timeout_ms
    if not group.group_id:
        return GroupRefusal.INVALID_GROUP_ID
    if not shortest_ms <= request.session_timeout_ms <= longest_ms:
        return GroupRefusal.INVALID_SESSION_TIMEOUT
    if not _supports_protocols(group, request):
        return GroupRefusal.INCONSISTENT_GROUP_PROTOCOL
    return None


def _supports_protocols(group: ClassicGroup, request: JoinGroup) -> bool:
    """An empty group accepts any protocols; others need one that all members support."""
    if group.state is ClassicGroupState.EMPTY:
        return bool(request.protocol_type and request.protocols)
    is_same_type = request.protocol_type == group.protocol_type
    return is_same_type and group.members.supports_any(request.protocols)


def _has_room(group: ClassicGroup, member_id: str) -> bool:
    """During the join phase the first `max_size` members to join stay (acceptJoiningMember)."""
    members, size_max = group.members, group.settings.max_size
    if len(members) < size_max or group.state is ClassicGroupState.EMPTY:
        return True
    if group.state is not ClassicGroupState.PREPARING_REBALANCE:
        return member_id in members
    joined = [member.member_id for member in members if member.pending_join is not None]
    return member_id in joined or len(joined) < size_max


def _reject_surplus(group: ClassicGroup, member_id: str, result: CoordinatorResult) -> None:
    group.members.pending.pop(member_id, None)
    if member_id in group.members:
        group.remove_member(group.members[member_id], result)
    rebalance.maybe_complete_join(group, result)


def _join_without_id(
    group: ClassicGroup, pending_join: PendingJoin, result: CoordinatorResult
) -> None:
    request, pending, new_member_id = pending_join
    static_id = group.members.id_of(request.group_instance_id)
    if static_id is not None:
        member = group.members[static_id]
        static_members.replace(group, member, pending_join, result)
    elif request.group_instance_id is None and request.needs_member_id:
        _add_pending_id(group, new_member_id, result.now_ms + request.session_timeout_ms)
        result.reply(pending, JoinReply(new_member_id, refusal=GroupRefusal.MEMBER_ID_REQUIRED))
    else:
        _add_member(group, pending_join, new_member_id, result)


def _add_pending_id(group: ClassicGroup, member_id: str, expires_ms: int) -> None:
    """Drops the oldest pending member id if there are too many."""
    pending = group.members.pending
    if len(pending) >= _PENDING_MAX:
        del pending[next(iter(pending))]
    pending[member_id] = expires_ms
    group.schedule(expires_ms)


def _add_member(
    group: ClassicGroup, pending_join: PendingJoin, member_id: str, result: CoordinatorResult
) -> None:
    request, pending, _ = pending_join
    member = joining_member(request, member_id)
    member.is_new = True
    member.hold_join(pending, result)
    member.deadline_ms = result.now_ms + group.settings.new_member_join_timeout_ms
    if not group.members:
        group.protocol_type = request.protocol_type
    group.members.add(member)
    group.has_newcomer = True
    group.schedule(member.deadline_ms)
    rebalance.rebalance_or_complete_join(group, result)


def _rejoin(group: ClassicGroup, pending_join: PendingJoin, result: CoordinatorResult) -> None:
    """Rebalances if the member's protocols changed, or if the leader of a Stable group joins again.

    Other members get the current generation.
    """
    request, pending, _ = pending_join
    refusal = group.members.check(request.member_id, request.group_instance_id)
    if refusal is not None:
        result.reply(pending, JoinReply(request.member_id, refusal=refusal))
        return
    member = group.members[request.member_id]
    leads = group.members.leader == member.member_id
    is_joining = group.state is ClassicGroupState.PREPARING_REBALANCE
    forces_rebalance = leads and group.state is ClassicGroupState.STABLE
    is_same = tuple(member.protocols) == tuple(request.protocols)
    if not is_joining and not forces_rebalance and is_same:
        result.reply(pending, rebalance.current_generation(group, member, leads=leads))
        return
    group.members.set_protocols(member, request.protocols)
    member.rebalance_timeout_ms = request.rebalance_timeout_ms
    member.session_timeout_ms = request.session_timeout_ms
    member.hold_join(pending, result)
    rebalance.rebalance_or_complete_join(group, result)
