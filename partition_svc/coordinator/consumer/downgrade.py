"""A consumer group becomes a classic one, when only classic members are left in it (KIP-848).

Kafka: convertToClassicGroup of GroupMetadataManager, ClassicGroup.fromConsumerGroup.
"""

from common.ports.classic_groups import JoinGroup
from partition_svc.coordinator.classic import rebalance
from partition_svc.coordinator.classic.group import ClassicGroup, ClassicGroupState
from partition_svc.coordinator.classic.member import ClassicGroupMember
from partition_svc.coordinator.consumer.classic_member import assignment_bytes
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import ConsumerGroupMember
from partition_svc.coordinator.records.consumer_protocol import CONSUMER_PROTOCOL_TYPE
from partition_svc.coordinator.records.result import Effects
from partition_svc.coordinator.records.stored_consumer import StoredClassic


def downgraded(group: ConsumerGroup, effects: Effects) -> ClassicGroup:
    """The group that `group` becomes, with its records: its generation is the epoch.

    Members are to join again; until then they have what they had. The log says so by naming no
    leader, so that a coordinator that is loaded from it begins the rebalance too.
    """
    classic = _converted(group, effects)
    classic.members.leader = None
    classic.become(ClassicGroupState.STABLE, effects.wall_ms)
    rebalance.prepare(classic, effects)
    classic.store(effects)
    return classic


def replaced(group: ConsumerGroup, request: JoinGroup) -> ConsumerGroupMember | None:
    """The last member of the consumer protocol, whose place a classic static member is to take."""
    if request.member_id or request.group_instance_id is None:
        return None
    member = group.static_member(request.group_instance_id)
    is_last = member is not None and all(
        one.classic is not None or one is member for one in group.members.values()
    )
    may_be = group.settings.may_downgrade and len(group.members) <= group.settings.max_size
    return member if is_last and may_be else None


def downgraded_for(
    group: ConsumerGroup, last: ConsumerGroupMember, request: JoinGroup, effects: Effects
) -> ClassicGroup:
    """The group in which `last` is a classic member that `request` may take the place of.

    Where everybody has what they were to have they go on so, and nobody has to join again.
    """
    is_settled = group.state == "Stable" and all(
        one.is_reconciled(group.epoch) for one in group.members.values()
    )
    last.classic = StoredClassic(request.session_timeout_ms, tuple(request.protocols))
    if not is_settled:
        return downgraded(group, effects)
    classic = _converted(group, effects)
    classic.become(ClassicGroupState.STABLE, effects.wall_ms)
    classic.store(effects)
    return classic


def _converted(group: ConsumerGroup, effects: Effects) -> ClassicGroup:
    group.write_tombstones(effects)
    classic = ClassicGroup(group.group_id, group.settings)
    classic.protocol_type = CONSUMER_PROTOCOL_TYPE
    classic.generation_id = group.epoch
    for one in group.members.values():
        assert one.classic is not None
        member = ClassicGroupMember(
            one.member_id,
            one.instance_id,
            one.client,
            one.classic.protocols,
            one.rebalance_timeout_ms,
            one.classic.session_timeout_ms,
            assignment_bytes(one.assigned_or_revoking, one.classic, group.view),
        )
        classic.members.add(member)
        classic.extend_session(member, effects.now_ms)
    classic.protocol = classic.members.choose_protocol()
    return classic
