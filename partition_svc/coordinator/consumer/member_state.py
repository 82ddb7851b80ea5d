"""The states of a consumer group member, and the table of its transitions (KIP-848).

The group computes a target assignment for each of its epochs, and each member follows it with
heartbeats, one step at a time. A step begins with the partitions outside the target. While the
member owns any of these, the coordinator revokes them: the member is in UNREVOKED_PARTITIONS, its
epoch stays, and no step follows until a heartbeat says that it owns none of them. Only then does
the member advance to the epoch of the target. It is assigned the partitions of the target that no
other member owns. If these are all, it is STABLE; if other members still own some, it is in
UNRELEASED_PARTITIONS and its next heartbeats add what has been released. A new target starts the
next step from any state. A static member that leaves temporarily keeps its assignment for its
return, has nothing to revoke, and has the epoch -2 until it joins again.

| event | epoch afterwards |
|---|---|
| REVOCATION_STARTED | as before |
| PARTITIONS_MISSING | that of the target |
| TARGET_REACHED | that of the target |
| LEFT_TEMPORARILY | -2 (LEAVE_GROUP_STATIC_MEMBER_EPOCH) |

Kafka: MemberState, CurrentAssignmentBuilder.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from partition_svc.coordinator.records.stored_consumer import MemberState


class MemberEvent(Enum):
    """Outcomes of a step towards the target assignment, and the leaving of a static member."""

    #: The member owns partitions outside its target and has to revoke them.
    REVOCATION_STARTED = auto()
    #: Nothing is left to revoke, but other members own partitions of the target.
    PARTITIONS_MISSING = auto()
    #: Nothing is left to revoke, and the member is assigned its whole target.
    TARGET_REACHED = auto()
    #: A static member left, and will return under its instance id.
    LEFT_TEMPORARILY = auto()


_State, _Event = MemberState, MemberEvent

#: The next state by state and event. A step from UNREVOKED_PARTITIONS follows the confirmation of
#: the revocation only; it starts another one if the target has changed meanwhile.
TRANSITIONS: Final[Mapping[tuple[MemberState, MemberEvent], MemberState]] = {
    (_State.STABLE, _Event.REVOCATION_STARTED): _State.UNREVOKED_PARTITIONS,
    (_State.STABLE, _Event.PARTITIONS_MISSING): _State.UNRELEASED_PARTITIONS,
    (_State.STABLE, _Event.TARGET_REACHED): _State.STABLE,
    (_State.STABLE, _Event.LEFT_TEMPORARILY): _State.STABLE,
    (_State.UNREVOKED_PARTITIONS, _Event.REVOCATION_STARTED): _State.UNREVOKED_PARTITIONS,
    (_State.UNREVOKED_PARTITIONS, _Event.PARTITIONS_MISSING): _State.UNRELEASED_PARTITIONS,
    (_State.UNREVOKED_PARTITIONS, _Event.TARGET_REACHED): _State.STABLE,
    (_State.UNREVOKED_PARTITIONS, _Event.LEFT_TEMPORARILY): _State.STABLE,
    (_State.UNRELEASED_PARTITIONS, _Event.REVOCATION_STARTED): _State.UNREVOKED_PARTITIONS,
    (_State.UNRELEASED_PARTITIONS, _Event.PARTITIONS_MISSING): _State.UNRELEASED_PARTITIONS,
    (_State.UNRELEASED_PARTITIONS, _Event.TARGET_REACHED): _State.STABLE,
    (_State.UNRELEASED_PARTITIONS, _Event.LEFT_TEMPORARILY): _State.STABLE,
}
