"""Deadlines of a classic group: sessions, joins and syncs expire.

Kafka: expireClassicGroupMemberHeartbeat, expirePendingSync and the join timers of
GroupMetadataManager. A group has one timer, for the earliest of its deadlines or before.
"""

from partition_svc.coordinator.classic import rebalance
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.member import ClassicGroupMember
from partition_svc.coordinator.classic.state import ClassicGroupEvent
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import CoordinatorResult


def on_deadline(group: ClassicGroup, result: CoordinatorResult) -> None:
    """Handles what is due at `result.now_ms` and computes the next deadline."""
    if result.now_ms < group.next_deadline_ms:
        return
    _expire_sessions(group, result)
    _expire_syncs(group, result)
    if group.join_by_ms <= result.now_ms:
        rebalance.on_join_deadline(group, result)
    group.next_deadline_ms = _next_deadline_ms(group)


def _expire_sessions(group: ClassicGroup, result: CoordinatorResult) -> None:
    now_ms, members = result.now_ms, group.members
    for member_id in [each for each, at_ms in members.pending.items() if at_ms <= now_ms]:
        del members.pending[member_id]
    expired = [member for member in members if _is_expired(member, now_ms)]
    for member in expired:
        group.remove_member(member, result)
    if expired:
        rebalance.rebalance_or_complete_join(group, result)
    else:
        rebalance.maybe_complete_join(group, result)


def _expire_syncs(group: ClassicGroup, result: CoordinatorResult) -> None:
    """Removes members that joined the generation and sent no SyncGroup."""
    if group.sync_by_ms > result.now_ms:
        return
    group.sync_by_ms = NO_DEADLINE
    members = group.members
    for member in [each for each in members if each.member_id in members.not_synced]:
        group.remove_member(member, result)
    rebalance.prepare_rebalance(group, result)


def _is_expired(member: ClassicGroupMember, now_ms: int) -> bool:
    return member.deadline_ms <= now_ms and not member.is_waiting


def _next_deadline_ms(group: ClassicGroup) -> int:
    """Members with a pending join or sync get their deadline with the response."""
    sessions = (member.deadline_ms for member in group.members if not member.is_waiting)
    pending = group.members.pending.values()
    return min(group.join_by_ms, group.sync_by_ms, *sessions, *pending, NO_DEADLINE)


def restart(group: ClassicGroup, result: CoordinatorResult) -> None:
    """Starts the sessions of a group that was loaded from the log.

    Rebalances a generation whose assignment was never stored, one without a leader
    (`downgrade.py`), and a group that exceeds a limit lowered since
    (GroupMetadataManager.onLoaded).
    """
    for member in group.members:
        group.extend_session(member, result.now_ms)
    has_leader = group.members.leader is not None
    is_assigned = has_leader and any(member.assignment for member in group.members)
    is_over_limit = len(group.members) > group.settings.max_size
    if group.members:
        group.transition(ClassicGroupEvent.MEMBERS_LOADED)
        if is_over_limit or not is_assigned:
            rebalance.prepare_rebalance(group, result)
