"""Heartbeat of a classic member: extends its session and signals rebalances.

Kafka: GroupMetadataManager.classicGroupHeartbeatToClassicGroup.
"""

from common.ports.classic_groups import GroupHeartbeat
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.state import ClassicGroupState


def heartbeat(group: ClassicGroup, request: GroupHeartbeat, now_ms: int) -> GroupRefusal | None:
    """Extends the session, also where the response is REBALANCE_IN_PROGRESS."""
    if not group.group_id:
        return GroupRefusal.INVALID_GROUP_ID
    refusal = group.members.check(request.member_id, request.group_instance_id)
    if refusal is not None:
        return refusal
    if request.generation_id != group.generation_id:
        return GroupRefusal.ILLEGAL_GENERATION
    group.extend_session(group.members[request.member_id], now_ms)
    if group.state is ClassicGroupState.PREPARING_REBALANCE:
        return GroupRefusal.REBALANCE_IN_PROGRESS
    return None
