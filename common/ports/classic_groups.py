"""The classic group protocol: join, sync, heartbeat, leave, and what operators ask.

Names are Kafka's (KIP-62, KIP-345, KIP-394, KIP-559, KIP-814).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from common.ports.group_errors import UNKNOWN_CLIENT, GroupClient, GroupRefusal


@dataclass(slots=True)
class GroupProtocol:
    """An assignor that a member knows, and what it tells whoever assigns."""

    name: str
    metadata: bytes


@dataclass(slots=True)
class JoinGroup:
    """`needs_member_id`: an empty `member_id` is answered with one, to join again (KIP-394).

    `may_skip_assignment`: the leader of an unchanged generation need not assign (KIP-814).
    """

    group_id: str
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


@dataclass(slots=True)
class JoinedMember:
    member_id: str
    group_instance_id: str | None
    metadata: bytes


@dataclass(slots=True)
class Joined:
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
class SyncGroup:
    """Protocol type and name are checked where they are given (KIP-559)."""

    group_id: str
    member_id: str
    generation_id: int
    group_instance_id: str | None = None
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignments: Sequence[MemberAssignment] = ()


@dataclass(slots=True)
class Synced:
    assignment: bytes = b""
    protocol_type: str | None = None
    protocol_name: str | None = None
    refusal: GroupRefusal | None = None


@dataclass(slots=True)
class GroupHeartbeat:
    group_id: str
    member_id: str
    generation_id: int
    group_instance_id: str | None = None


@dataclass(slots=True)
class HeartbeatTaken:
    refusal: GroupRefusal | None = None


@dataclass(slots=True)
class LeavingMember:
    """An empty `member_id` with an instance id: whoever has that instance id now."""

    member_id: str
    group_instance_id: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class LeaveGroup:
    group_id: str
    members: Sequence[LeavingMember]


@dataclass(slots=True)
class LeftMember:
    member_id: str
    group_instance_id: str | None = None
    refusal: GroupRefusal | None = None


@dataclass(slots=True)
class Left:
    members: Sequence[LeftMember] = ()
    refusal: GroupRefusal | None = None


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
class ListGroups:
    """Empty filters let everything through. Compared without regard to case (KIP-848)."""

    states: Sequence[str] = ()
    types: Sequence[str] = ()


@dataclass(slots=True)
class ListedGroup:
    """`group_type` is "classic" or "consumer"."""

    group_id: str
    protocol_type: str
    state: str
    group_type: str


@dataclass(slots=True)
class ListedGroups:
    """`unanswered`: members whose groups are missing because they did not answer."""

    groups: Sequence[ListedGroup] = ()
    refusal: GroupRefusal | None = None
    unanswered: Sequence[str] = ()


@dataclass(slots=True)
class GroupResult:
    group_id: str
    refusal: GroupRefusal | None = None
