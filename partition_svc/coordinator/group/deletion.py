"""Deletion of groups without members, on request or with their last offset."""

from common.ports.classic_groups import GroupResult
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.group.state import GroupState
from partition_svc.coordinator.offsets import classic_rules, consumer_rules
from partition_svc.coordinator.records.result import CoordinatorResult


def delete(group: GroupState, result: CoordinatorResult) -> GroupResult:
    """Deletes a group without members, and its offsets (DeleteGroups)."""
    refusal = None
    if not group.exists:
        refusal = GroupRefusal.GROUP_ID_NOT_FOUND
    elif not group.is_empty:
        refusal = GroupRefusal.NON_EMPTY_GROUP
    else:
        group.offsets.delete_where(lambda *_: True, result)
        _delete_members(group, result)
    return GroupResult(group.group_id, refusal)


def expire_offsets(group: GroupState, result: CoordinatorResult) -> None:
    """Deletes expired offsets, and the group itself if it is empty without them.

    A group with pending member ids stays: their members are about to join.
    """
    is_expired = classic_rules.expiry_rule(group.classic, result.wall_ms)
    if group.consumer is not None:
        is_expired = consumer_rules.expiry_rule(group.consumer, result.wall_ms)
    if is_expired is not None:
        group.offsets.delete_where(is_expired, result)
    if group.is_empty and not group.classic.members.pending and not group.offsets:
        _delete_members(group, result)


def _delete_members(group: GroupState, result: CoordinatorResult) -> None:
    if group.consumer is not None:
        group.consumer.write_tombstones(result)
    group.classic.delete(result)
