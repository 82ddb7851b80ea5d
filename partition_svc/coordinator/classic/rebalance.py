"""Rebalances of a classic group: the end of a generation, the join phase, the next generation.

Kafka stores a generation with its assignment only. Here it is stored when it starts too, so that a
coordinator that crashes before the assignment never uses the same generation id twice.
Kafka: GroupMetadataManager.prepareRebalance, completeClassicGroupJoin.
"""

from common.ports.classic_groups import JoinReply, SyncReply
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.member import ClassicGroupMember
from partition_svc.coordinator.classic.state import ClassicGroupEvent, ClassicGroupState
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import CoordinatorResult


def rebalance_or_complete_join(group: ClassicGroup, result: CoordinatorResult) -> None:
    """Starts a rebalance, or completes the join phase of the current one if possible."""
    if group.state is ClassicGroupState.PREPARING_REBALANCE:
        maybe_complete_join(group, result)
    else:
        prepare_rebalance(group, result)


def maybe_complete_join(group: ClassicGroup, result: CoordinatorResult) -> None:
    """Completes the join phase if all members have joined and no initial delay is running."""
    is_joining = group.state is ClassicGroupState.PREPARING_REBALANCE
    if is_joining and group.initial_delay_left_ms is None and group.members.all_have_joined:
        complete_join(group, result)


def prepare_rebalance(group: ClassicGroup, result: CoordinatorResult) -> None:
    """Ends the generation. Heartbeat responses tell members to join again."""
    was_empty = group.state is ClassicGroupState.EMPTY
    if group.state is ClassicGroupState.COMPLETING_REBALANCE:
        _reject_syncs(group, result)
    group.members.not_synced.clear()
    group.sync_by_ms = NO_DEADLINE
    group.transition_at(ClassicGroupEvent.REBALANCE_STARTED, result)
    if was_empty:
        _start_initial_delay(group, result)
    elif group.members.all_have_joined:
        complete_join(group, result)
    else:
        _wait_for_joins(group, group.members.rebalance_timeout_ms, result)


def on_join_deadline(group: ClassicGroup, result: CoordinatorResult) -> None:
    """Completes the join phase, or extends the initial delay if members joined meanwhile."""
    left_ms = group.initial_delay_left_ms
    if left_ms and group.has_newcomer:
        delay_ms = min(group.settings.initial_rebalance_delay_ms, left_ms)
        group.initial_delay_left_ms = left_ms - delay_ms
        group.has_newcomer = False
        _wait_for_joins(group, delay_ms, result)
    else:
        complete_join(group, result)


def complete_join(group: ClassicGroup, result: CoordinatorResult) -> None:
    """Starts the next generation with the members that joined and all static members.

    Waits another rebalance timeout if only static members are left and none joined (KIP-345).
    """
    group.join_by_ms = NO_DEADLINE
    for member in [member for member in group.members if member.pending_join is None]:
        if member.group_instance_id is None:
            group.remove_member(member, result)
    if group.members and not group.members.elect_joined_leader():
        _wait_for_joins(group, group.members.rebalance_timeout_ms, result)
        return
    group.initial_delay_left_ms = None
    group.generation_id += 1
    if group.members:
        _start_generation(group, result)
    else:
        group.protocol = None
        group.transition_at(ClassicGroupEvent.ALL_MEMBERS_LEFT, result)
        group.store(result)


def current_generation(
    group: ClassicGroup, member: ClassicGroupMember, *, leads: bool
) -> JoinReply:
    """Returns the response to a join. Only a leader gets the list of members."""
    members = [each.as_joined_member(group.protocol) for each in group.members] if leads else ()
    return JoinReply(
        member_id=member.member_id,
        generation_id=group.generation_id,
        leader=group.members.leader or "",
        protocol_type=group.protocol_type,
        protocol_name=group.protocol,
        members=members,
    )


def _start_initial_delay(group: ClassicGroup, result: CoordinatorResult) -> None:
    delay_ms = group.settings.initial_rebalance_delay_ms
    group.has_newcomer = False
    group.initial_delay_left_ms = max(group.members.rebalance_timeout_ms - delay_ms, 0)
    if delay_ms > 0:
        _wait_for_joins(group, delay_ms, result)
    else:
        complete_join(group, result)


def _wait_for_joins(group: ClassicGroup, wait_ms: int, result: CoordinatorResult) -> None:
    group.join_by_ms = result.now_ms + wait_ms
    group.schedule(group.join_by_ms)


def _start_generation(group: ClassicGroup, result: CoordinatorResult) -> None:
    group.protocol = group.members.choose_protocol()
    group.transition_at(ClassicGroupEvent.JOIN_COMPLETED, result)
    for member in group.members:
        leads = member.member_id == group.members.leader
        member.respond_to_join(current_generation(group, member, leads=leads), result)
        member.assignment = b""
        member.is_new = False
        group.members.not_synced.add(member.member_id)
        group.extend_session(member, result.now_ms)
    group.sync_by_ms = result.now_ms + group.members.rebalance_timeout_ms
    group.schedule(group.sync_by_ms)
    group.store(result)


def _reject_syncs(group: ClassicGroup, result: CoordinatorResult) -> None:
    for member in group.members:
        if member.pending_sync is not None:
            member.respond_to_sync(SyncReply(refusal=GroupRefusal.REBALANCE_IN_PROGRESS), result)
            group.extend_session(member, result.now_ms)
