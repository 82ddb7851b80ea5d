"""The classic group protocol: join, sync, heartbeat and leave; description, list and deletion.

Names are Kafka's (KIP-62, KIP-345, KIP-394, KIP-559, KIP-814).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from common.ports.group_errors import UNKNOWN_CLIENT, GroupClient, GroupRefusal
from common.ports.group_request import CoordinatorRequest, GroupRequest


@dataclass(slots=True)
class GroupProtocol:
    """An assignor that a member supports, and the member's metadata for it."""

    name: str
    metadata: bytes


@dataclass(slots=True)
class JoinGroup(GroupRequest["JoinReply"]):
    """`needs_member_id`: the reply to an empty `member_id` has one, to join again (KIP-394).

    `may_skip_assignment`: the leader of an unchanged generation need not assign (KIP-814).
    """

    waits_for_members = True

    member_id: str
    protocol_type: str
    protocols: Sequence[GroupProtocol]
    session_timeout_ms: int
    rebalance_timeout_ms: int
    group_instance_id: str | None = None
    client: GroupClient = UNKNOWN_CLIENT
    reason: str | None = None
    needs_member_id: bool = True
    may_skip_assignment: bool = False

    @property
    def is_idempotent(self) -> bool:
        """A second JoinGroup without any id would leave a member that no client represents."""
        return bool(self.member_id) or self.group_instance_id is not None

    def refused(self, refusal: GroupRefusal) -> "JoinReply":
        return JoinReply(refusal=refusal)


@dataclass(slots=True)
class JoinedMember:
    member_id: str
    group_instance_id: str | None
    metadata: bytes


@dataclass(slots=True)
class JoinReply:
    """`members` is empty for all but the leader."""

    member_id: str = ""
    generation_id: int = -1
    leader: str = ""
    protocol_type: str | None = None
    protocol_name: str | None = None
    members: Sequence[JoinedMember] = ()
    skip_assignment: bool = False
    refusal: GroupRefusal | None = None


@dataclass(slots=True)
class MemberAssignment:
    member_id: str
    assignment: bytes


@dataclass(slots=True)
class SyncGroup(GroupRequest["SyncReply"]):
    """Protocol type and name are checked unless they are None (KIP-559)."""

    waits_for_members = True

    member_id: str
    generation_id: int
    group_instance_id: str | None = None
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignments: Sequence[MemberAssignment] = ()

    def refused(self, refusal: GroupRefusal) -> "SyncReply":
        return SyncReply(refusal=refusal)


@dataclass(slots=True)
class SyncReply:
    assignment: bytes = b""
    protocol_type: str | None = None
    protocol_name: str | None = None
    refusal: GroupRefusal | None = None


@dataclass(slots=True)
class GroupHeartbeat(GroupRequest["HeartbeatReply"]):
    outlives_caller = True

    member_id: str
    generation_id: int
    group_instance_id: str | None = None

    def refused(self, refusal: GroupRefusal) -> "HeartbeatReply":
        return HeartbeatReply(refusal=refusal)


@dataclass(slots=True)
class HeartbeatReply:
    refusal: GroupRefusal | None = None


@dataclass(slots=True)
class LeavingMember:
    """An empty `member_id` with an instance id is the current member with that instance id."""

    member_id: str
    group_instance_id: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class LeaveGroup(GroupRequest["LeaveReply"]):
    members: Sequence[LeavingMember]

    @property
    def is_idempotent(self) -> bool:
        """An instance id may belong to a new member by the second execution."""
        return all(member.member_id for member in self.members)

    def adapt_retried(self, reply: "LeaveReply") -> "LeaveReply":
        """A member that is unknown to the retry has left before."""
        unknown = GroupRefusal.UNKNOWN_MEMBER_ID
        if reply.refusal is unknown:
            return LeaveReply(
                [LeftMember(member.member_id, member.group_instance_id) for member in self.members]
            )
        members = [
            replace(member, refusal=None) if member.refusal is unknown else member
            for member in reply.members
        ]
        return replace(reply, members=members)

    def refused(self, refusal: GroupRefusal) -> "LeaveReply":
        return LeaveReply(refusal=refusal)


@dataclass(slots=True)
class LeftMember:
    member_id: str
    group_instance_id: str | None = None
    refusal: GroupRefusal | None = None


@dataclass(slots=True)
class LeaveReply:
    members: Sequence[LeftMember] = ()
    refusal: GroupRefusal | None = None


@dataclass(slots=True)
class DescribeGroup(GroupRequest["DescribedGroup"]):
    """Describes a classic group."""

    def refused(self, refusal: GroupRefusal) -> "DescribedGroup":
        return DescribedGroup(self.group_id, refusal=refusal)


@dataclass(slots=True)
class DescribedMember:
    member_id: str
    group_instance_id: str | None
    client: GroupClient
    metadata: bytes = b""
    assignment: bytes = b""


@dataclass(slots=True)
class DescribedGroup:
    """A classic group. `state` is Kafka's name: Empty, PreparingRebalance, …, Dead."""

    group_id: str
    state: str = ""
    protocol_type: str = ""
    protocol_name: str = ""
    members: Sequence[DescribedMember] = ()
    refusal: GroupRefusal | None = None
    message: str | None = None


@dataclass(slots=True)
class ListGroups(CoordinatorRequest["ListedGroups"]):
    """Filters of groups; an empty one matches all. They ignore case (KIP-848)."""

    states: Sequence[str] = ()
    types: Sequence[str] = ()

    def refused(self, refusal: GroupRefusal) -> "ListedGroups":
        return ListedGroups(refusal=refusal)


@dataclass(slots=True)
class ListedGroup:
    """`group_type` is "classic" or "consumer"."""

    group_id: str
    protocol_type: str
    state: str
    group_type: str


@dataclass(slots=True)
class ListedGroups:
    """`unanswered`: cluster members that did not respond, so that their groups are missing."""

    groups: Sequence[ListedGroup] = ()
    refusal: GroupRefusal | None = None
    unanswered: Sequence[str] = ()


@dataclass(slots=True)
class DeleteGroup(GroupRequest["GroupResult"]):
    """Deletes a group without members, and its offsets."""

    def adapt_retried(self, reply: "GroupResult") -> "GroupResult":
        """A group that the retry does not find was deleted before."""
        was_deleted = reply.refusal is GroupRefusal.GROUP_ID_NOT_FOUND
        return GroupResult(self.group_id) if was_deleted else reply

    def refused(self, refusal: GroupRefusal) -> "GroupResult":
        return GroupResult(self.group_id, refusal)


@dataclass(slots=True)
class GroupResult:
    group_id: str
    refusal: GroupRefusal | None = None
