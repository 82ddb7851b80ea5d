"""What operators are told of a classic group (DescribeGroups, ListGroups)."""

from collections.abc import Sequence
from typing import Final

from common.ports.classic_groups import DescribedGroup, ListedGroup, ListGroups
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.group import ClassicGroup, ClassicGroupState

#: The group type of ListGroups (KIP-848).
_CLASSIC: Final = "classic"


def describe(group: ClassicGroup) -> DescribedGroup:
    """Protocol and metadata are told of a Stable group only (ClassicGroupMember.describe)."""
    protocol = group.protocol if group.state is ClassicGroupState.STABLE else None
    return DescribedGroup(
        group.group_id,
        group.state.value,
        group.protocol_type or "",
        protocol or "",
        [one.described(protocol) for one in group.members],
    )


def missing(group_id: str, *, is_there: bool) -> DescribedGroup:
    """The description of what is no classic group: a consumer group, or none at all."""
    why = "is not a classic group." if is_there else "not found."
    refusal = GroupRefusal.GROUP_ID_NOT_FOUND
    return DescribedGroup(group_id, refusal=refusal, message=f"Group {group_id} {why}")


def listed(group: ClassicGroup) -> ListedGroup:
    return ListedGroup(group.group_id, group.protocol_type or "", group.state.value, _CLASSIC)


def is_listed(one: ListedGroup, request: ListGroups) -> bool:
    """Whether the filters let it through; they compare without regard to case."""
    return _passes(one.state, request.states) and _passes(one.group_type, request.types)


def _passes(value: str, allowed: Sequence[str]) -> bool:
    return not allowed or value.lower() in (one.lower() for one in allowed)
