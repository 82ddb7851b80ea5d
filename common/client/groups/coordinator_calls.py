"""Calls to group coordinators, and which of them may be made twice.

A call that got no answer may have taken effect or not. It is repeated where a second execution
comes to the same, or where its answer can be told from that of a first one; otherwise the client
is told COORDINATOR_NOT_AVAILABLE and decides, as it does when a broker dies. A heartbeat of a
consumer group, for one, carries the member's epoch: the execution raises it, and a second one with
the old epoch would fence the member (KIP-848). After an error clients send a full heartbeat, which
is accepted under the old epoch too.

    repeated                  Heartbeat, SyncGroup, OffsetCommit, OffsetFetch, OffsetDelete,
                              descriptions and lists, JoinGroup with a member or instance id
    repeated and recognised   DeleteGroups, LeaveGroup by member id, a member's last heartbeat
    not repeated in doubt     ConsumerGroupHeartbeat, JoinGroup of a member without an id,
                              LeaveGroup by instance id (a new member may have it by then)
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Generic, Protocol, TypeVar

from common.ports.classic_groups import (
    GroupResult,
    Joined,
    JoinGroup,
    LeaveGroup,
    Left,
    LeftMember,
    Synced,
    SyncGroup,
)
from common.ports.consumer_groups import ConsumerHeartbeat, ConsumerHeartbeatTaken
from common.ports.coordinators import Coordinators
from common.ports.group_errors import GroupRefusal

#: The member epoch of a member's last heartbeat.
_LEAVES: Final = -1
_UNKNOWN_MEMBER: Final = GroupRefusal.UNKNOWN_MEMBER_ID


class Refusable(Protocol):
    """An answer that may be a refusal."""

    refusal: GroupRefusal | None


AnswerT = TypeVar("AnswerT", bound=Refusable)


@dataclass(slots=True)
class CoordinatorCall(Generic[AnswerT]):
    """How a group's coordinator is called, and what a repetition means.

    `repeat_in_doubt`: whether the call may be made again after one whose outcome is unknown.
    `waits_for_members`: whether a coordinator may keep the call for minutes before it answers.
    `recognise` makes of the answer to such a repetition the answer to both.
    """

    make: Callable[[Coordinators], Awaitable[AnswerT]]
    repeat_in_doubt: bool = True
    recognise: Callable[[AnswerT], AnswerT] | None = None
    waits_for_members: bool = False


def join_call(request: JoinGroup) -> CoordinatorCall[Joined]:
    """A second JoinGroup without any id would leave a member behind that nobody speaks for."""
    has_id = bool(request.member_id) or request.group_instance_id is not None
    return CoordinatorCall(
        lambda owner: owner.join_group(request), repeat_in_doubt=has_id, waits_for_members=True
    )


def sync_call(request: SyncGroup) -> CoordinatorCall[Synced]:
    return CoordinatorCall(lambda owner: owner.sync_group(request), waits_for_members=True)


def leave_call(request: LeaveGroup) -> CoordinatorCall[Left]:
    """Members that are gone at the second time have left."""

    def recognise(left: Left) -> Left:
        members = [
            replace(one, refusal=None) if one.refusal is _UNKNOWN_MEMBER else one
            for one in left.members
        ]
        if left.refusal is not _UNKNOWN_MEMBER:
            return replace(left, members=members)
        return Left([LeftMember(one.member_id, one.group_instance_id) for one in request.members])

    have_ids = all(one.member_id for one in request.members)
    return CoordinatorCall(lambda owner: owner.leave_group(request), have_ids, recognise)


def delete_call(group_id: str) -> CoordinatorCall[GroupResult]:
    """A group that is gone at the second time was deleted."""

    async def delete(owner: Coordinators) -> GroupResult:
        (result,) = await owner.delete_groups([group_id])
        return result

    def recognise(result: GroupResult) -> GroupResult:
        was_deleted = result.refusal is GroupRefusal.GROUP_ID_NOT_FOUND
        return GroupResult(group_id) if was_deleted else result

    return CoordinatorCall(delete, recognise=recognise)


def consumer_heartbeat_call(request: ConsumerHeartbeat) -> CoordinatorCall[ConsumerHeartbeatTaken]:
    """Only a member that leaves may say so twice."""

    def recognise(taken: ConsumerHeartbeatTaken) -> ConsumerHeartbeatTaken:
        if taken.refusal not in (_UNKNOWN_MEMBER, GroupRefusal.GROUP_ID_NOT_FOUND):
            return taken
        return ConsumerHeartbeatTaken(request.member_id, request.member_epoch)

    leaves = request.member_epoch == _LEAVES
    return CoordinatorCall(lambda owner: owner.consumer_heartbeat(request), leaves, recognise)
