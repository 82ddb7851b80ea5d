"""What happens to a classic group when nothing else does: sessions end, waiting ends.

Kafka: expireClassicGroupMemberHeartbeat, expirePendingSync and the join timers of
GroupMetadataManager. A group has one alarm; it rings at the earliest of its deadlines, or before.
"""

from partition_svc.coordinator.classic import rebalance
from partition_svc.coordinator.classic.group import ClassicGroup, ClassicGroupState
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import Effects


def on_time(group: ClassicGroup, effects: Effects) -> None:
    """Does what is due at `effects.now_ms` and sets the alarm to the next deadline."""
    if effects.now_ms < group.next_deadline_ms:
        return
    _end_sessions(group, effects)
    _remove_unsynced_members(group, effects)
    if group.join_by_ms <= effects.now_ms:
        rebalance.end_waiting(group, effects)
    group.next_deadline_ms = _next(group)


def _end_sessions(group: ClassicGroup, effects: Effects) -> None:
    now_ms, members = effects.now_ms, group.members
    for member_id in [one for one, at_ms in members.pending.items() if at_ms <= now_ms]:
        del members.pending[member_id]
    silent = [one for one in members if one.deadline_ms <= now_ms and not one.is_waiting]
    for member in silent:
        group.remove_member(member, effects)
    if silent:
        rebalance.rebalance_or_go_on(group, effects)
    else:
        rebalance.complete_if_all_joined(group, effects)


def _remove_unsynced_members(group: ClassicGroup, effects: Effects) -> None:
    """Members that joined a generation but never asked for their assignment."""
    if group.sync_by_ms > effects.now_ms:
        return
    group.sync_by_ms = NO_DEADLINE
    for member in [one for one in group.members if one.member_id in group.members.not_synced]:
        group.remove_member(member, effects)
    rebalance.prepare(group, effects)


def _next(group: ClassicGroup) -> int:
    """Members that wait for others have no deadline: they get one with their answer."""
    sessions = (one.deadline_ms for one in group.members if not one.is_waiting)
    pending = group.members.pending.values()
    return min(group.join_by_ms, group.sync_by_ms, *sessions, *pending, NO_DEADLINE)


def restart(group: ClassicGroup, effects: Effects) -> None:
    """After loading: everybody has a fresh session; what was not settled begins again.

    A generation whose assignment was never stored is such, one that nobody leads (`downgrade.py`),
    and a group that has grown over its limit meanwhile (GroupMetadataManager.onLoaded).
    """
    for member in group.members:
        group.extend_session(member, effects.now_ms)
    is_led = group.members.leader is not None
    is_assigned = is_led and any(one.assignment for one in group.members)
    is_over_limit = len(group.members) > group.settings.max_size
    if group.members:
        group.state = ClassicGroupState.STABLE
        if is_over_limit or not is_assigned:
            rebalance.prepare(group, effects)
