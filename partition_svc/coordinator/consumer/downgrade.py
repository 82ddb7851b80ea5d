"""Downgrade of a consumer group to a classic group when only classic members are left (KIP-848).

Kafka: convertToClassicGroup of GroupMetadataManager, ClassicGroup.fromConsumerGroup.
"""

from common.ports.classic_groups import JoinGroup
from partition_svc.coordinator.classic import rebalance
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.member import ClassicGroupMember
from partition_svc.coordinator.classic.state import ClassicGroupEvent
from partition_svc.coordinator.consumer.classic_member import assignment_bytes
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import ConsumerGroupMember
from partition_svc.coordinator.records.consumer_protocol import CONSUMER_PROTOCOL_TYPE
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored_consumer import StoredClassic


def downgraded(group: ConsumerGroup, result: CoordinatorResult) -> ClassicGroup:
    """Returns the classic group that replaces `group`, whose epoch becomes the generation.

    The group rebalances; until then members keep their assignments. Its record names no leader, so
    that a coordinator that loads it starts the rebalance too.
    """
    classic = _converted(group, result)
    classic.members.leader = None
    classic.transition_at(ClassicGroupEvent.DOWNGRADED, result)
    rebalance.prepare_rebalance(classic, result)
    classic.store(result)
    return classic


def member_to_replace(group: ConsumerGroup, request: JoinGroup) -> ConsumerGroupMember | None:
    """Returns the last member of the consumer protocol if a classic static member replaces it."""
    if request.member_id or request.group_instance_id is None:
        return None
    member = group.static_member(request.group_instance_id)
    is_last = member is not None and all(
        other.classic is not None or other is member for other in group.members.values()
    )
    can_downgrade = group.settings.may_downgrade and len(group.members) <= group.settings.max_size
    return member if is_last and can_downgrade else None


def downgrade_for_replacement(
    group: ConsumerGroup, last: ConsumerGroupMember, request: JoinGroup, result: CoordinatorResult
) -> ClassicGroup:
    """Converts the group to classic, with `last` as the static member that `request` replaces.

    If all members are reconciled the group stays Stable and no rebalance starts.
    """
    is_reconciled = group.state == "Stable" and all(
        member.is_reconciled(group.epoch) for member in group.members.values()
    )
    last.classic = StoredClassic(request.session_timeout_ms, tuple(request.protocols))
    if not is_reconciled:
        return downgraded(group, result)
    classic = _converted(group, result)
    classic.transition_at(ClassicGroupEvent.DOWNGRADED, result)
    classic.store(result)
    return classic


def _converted(group: ConsumerGroup, result: CoordinatorResult) -> ClassicGroup:
    group.write_tombstones(result)
    classic = ClassicGroup(group.group_id, group.settings)
    classic.protocol_type = CONSUMER_PROTOCOL_TYPE
    classic.generation_id = group.epoch
    for member in group.members.values():
        assert member.classic is not None, "a member of the consumer protocol in a downgrade"
        converted = ClassicGroupMember(
            member.member_id,
            member.instance_id,
            member.client,
            member.classic.protocols,
            member.rebalance_timeout_ms,
            member.classic.session_timeout_ms,
            assignment_bytes(member.assigned_or_revoking, member.classic, group.view),
        )
        classic.members.add(converted)
        classic.extend_session(converted, result.now_ms)
    classic.protocol = classic.members.choose_protocol()
    return classic
