"""How a generation of a classic group ends and the next one begins.

Unlike Kafka, which stores a generation with its assignment only, we store it when it begins too:
a coordinator that crashes in between never gives out the same generation twice.
Kafka: GroupMetadataManager.prepareRebalance, completeClassicGroupJoin.
"""

from common.ports.classic_groups import Joined, Synced
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.group import ClassicGroup, ClassicGroupState
from partition_svc.coordinator.classic.member import ClassicGroupMember
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import Effects


def rebalance_or_go_on(group: ClassicGroup, effects: Effects) -> None:
    """Begins a rebalance; or, where one is under way, ends the joining if that can be now."""
    if group.state is ClassicGroupState.PREPARING_REBALANCE:
        complete_if_all_joined(group, effects)
    else:
        prepare(group, effects)


def complete_if_all_joined(group: ClassicGroup, effects: Effects) -> None:
    """Ends the joining early. The first members of an empty group wait for their delay."""
    is_joining = group.state is ClassicGroupState.PREPARING_REBALANCE
    if is_joining and group.initial_delay_left_ms is None and group.members.have_all_joined:
        complete(group, effects)


def prepare(group: ClassicGroup, effects: Effects) -> None:
    """Ends the generation: members are to join again, which heartbeats tell them."""
    was_empty = group.state is ClassicGroupState.EMPTY
    if group.state is ClassicGroupState.COMPLETING_REBALANCE:
        _refuse_syncs(group, effects)
    group.members.not_synced.clear()
    group.sync_by_ms = NO_DEADLINE
    group.become(ClassicGroupState.PREPARING_REBALANCE, effects.wall_ms)
    if was_empty:
        _begin_initial_delay(group, effects)
    elif group.members.have_all_joined:
        complete(group, effects)
    else:
        _wait_for_joins(group, group.members.rebalance_timeout_ms, effects)


def end_waiting(group: ClassicGroup, effects: Effects) -> None:
    """The time to join is over, except while newcomers extend the initial delay."""
    left_ms = group.initial_delay_left_ms
    if left_ms and group.has_newcomer:
        delay_ms = min(group.settings.initial_rebalance_delay_ms, left_ms)
        group.initial_delay_left_ms = left_ms - delay_ms
        group.has_newcomer = False
        _wait_for_joins(group, delay_ms, effects)
    else:
        complete(group, effects)


def complete(group: ClassicGroup, effects: Effects) -> None:
    """Begins the next generation with those who joined, and static members that did not.

    Where only static members are left and none joined, goes on waiting (KIP-345).
    """
    group.join_by_ms = NO_DEADLINE
    for member in [one for one in group.members if one.join_ticket is None]:
        if member.group_instance_id is None:
            group.remove_member(member, effects)
    if group.members and not group.members.elect_joined_leader():
        _wait_for_joins(group, group.members.rebalance_timeout_ms, effects)
        return
    group.initial_delay_left_ms = None
    group.generation_id += 1
    if group.members:
        _begin_generation(group, effects)
    else:
        group.protocol = None
        group.become(ClassicGroupState.EMPTY, effects.wall_ms)
        group.store(effects)


def current_generation(group: ClassicGroup, member: ClassicGroupMember, *, leads: bool) -> Joined:
    """The answer to a join. Only a leader is told of the others."""
    return Joined(
        member_id=member.member_id,
        generation_id=group.generation_id,
        leader=group.members.leader or "",
        protocol_type=group.protocol_type,
        protocol_name=group.protocol,
        members=[one.joined(group.protocol) for one in group.members] if leads else (),
    )


def _begin_initial_delay(group: ClassicGroup, effects: Effects) -> None:
    delay_ms = group.settings.initial_rebalance_delay_ms
    group.has_newcomer = False
    group.initial_delay_left_ms = max(group.members.rebalance_timeout_ms - delay_ms, 0)
    if delay_ms > 0:
        _wait_for_joins(group, delay_ms, effects)
    else:
        complete(group, effects)


def _wait_for_joins(group: ClassicGroup, wait_ms: int, effects: Effects) -> None:
    group.join_by_ms = effects.now_ms + wait_ms
    group.schedule(group.join_by_ms)


def _begin_generation(group: ClassicGroup, effects: Effects) -> None:
    group.protocol = group.members.choose_protocol()
    group.become(ClassicGroupState.COMPLETING_REBALANCE, effects.wall_ms)
    for member in group.members:
        leads = member.member_id == group.members.leader
        member.answer_join(current_generation(group, member, leads=leads), effects)
        member.assignment = b""
        member.is_new = False
        group.members.not_synced.add(member.member_id)
        group.extend_session(member, effects.now_ms)
    group.sync_by_ms = effects.now_ms + group.members.rebalance_timeout_ms
    group.schedule(group.sync_by_ms)
    group.store(effects)


def _refuse_syncs(group: ClassicGroup, effects: Effects) -> None:
    for member in group.members:
        if member.sync_ticket is not None:
            member.answer_sync(Synced(refusal=GroupRefusal.REBALANCE_IN_PROGRESS), effects)
            group.extend_session(member, effects.now_ms)
