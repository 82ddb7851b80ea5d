"""Descriptions of a classic group for operators (DescribeGroups, ListGroups)."""

from collections.abc import Sequence
from typing import Final

from common.ports.classic_groups import DescribedGroup, ListedGroup, ListGroups
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.state import ClassicGroupState

#: The group type of ListGroups (KIP-848).
_CLASSIC: Final = "classic"


def describe(group: ClassicGroup) -> DescribedGroup:
    """Includes protocol and metadata of a Stable group only (ClassicGroupMember.describe)."""
    protocol = group.protocol if group.state is ClassicGroupState.STABLE else None
    return DescribedGroup(
        group.group_id,
        group.state.value,
        group.protocol_type or "",
        protocol or "",
        [member.describe(protocol) for member in group.members],
    )


def missing(group_id: str, *, exists: bool) -> DescribedGroup:
    """Describes a group that is a consumer group (`exists`), or does not exist."""
    why = "is not a classic group." if exists else "not found."
    refusal = GroupRefusal.GROUP_ID_NOT_FOUND
    return DescribedGroup(group_id, refusal=refusal, message=f"Group {group_id} {why}")


def as_listed_group(group: ClassicGroup) -> ListedGroup:
    return ListedGroup(group.group_id, group.protocol_type or "", group.state.value, _CLASSIC)


def is_listed(group: ListedGroup, request: ListGroups) -> bool:
    """True if the filters of the request match, ignoring case."""
    return _matches(group.state, request.states) and _matches(group.group_type, request.types)


def _matches(value: str, allowed: Sequence[str]) -> bool:
    return not allowed or value.lower() in (each.lower() for each in allowed)
