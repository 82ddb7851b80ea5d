"""What a classic group is at one moment: its state, generation, members and deadlines.

What happens to it is in the modules beside this one, one per concern: `join.py`, `sync.py`, …
"""

from enum import Enum

from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.member import ClassicGroupMember, restored_member
from partition_svc.coordinator.classic.members import ClassicGroupMembers
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import Effects
from partition_svc.coordinator.records.stored import GroupRecord, StoredGroup
from partition_svc.coordinator.settings import GroupSettings


class ClassicGroupState(Enum):
    """Values are Kafka's names (ClassicGroupState)."""

    #: No members; there may be committed offsets.
    EMPTY = "Empty"
    #: Waits for members to join.
    PREPARING_REBALANCE = "PreparingRebalance"
    #: A generation has begun; waits for its leader's assignment.
    COMPLETING_REBALANCE = "CompletingRebalance"
    #: Everybody has an assignment.
    STABLE = "Stable"
    #: Deleted.
    DEAD = "Dead"


class ClassicGroup:
    """Times are in milliseconds on one clock that never goes back.

    `join_by_ms`: when the rebalance goes on without those who have not joined.
    `sync_by_ms`: when those who have not synced are put out.
    `initial_delay_left_ms`: None, or while the first members of an empty group are waited for: by
    how much the delay may still be extended; `has_newcomer`: somebody came since it last was.
    `next_deadline_ms`: nothing is to be done before this; it may be early.
    `is_stored`: the log has a record of the group.
    """

    __slots__ = (
        "generation_id",
        "group_id",
        "has_newcomer",
        "initial_delay_left_ms",
        "is_stored",
        "join_by_ms",
        "members",
        "next_deadline_ms",
        "protocol",
        "protocol_type",
        "settings",
        "state",
        "state_since_ms",
        "sync_by_ms",
    )

    def __init__(self, group_id: str, settings: GroupSettings) -> None:
        self.group_id = group_id
        self.settings = settings
        self.state = ClassicGroupState.EMPTY
        self.state_since_ms = -1
        self.generation_id = 0
        self.protocol_type: str | None = None
        self.protocol: str | None = None
        self.members = ClassicGroupMembers()
        self.join_by_ms = NO_DEADLINE
        self.sync_by_ms = NO_DEADLINE
        self.initial_delay_left_ms: int | None = None
        self.has_newcomer = False
        self.next_deadline_ms = NO_DEADLINE
        self.is_stored = False

    @property
    def is_vacant(self) -> bool:
        """Nobody is in it, and nobody was given an id to come with."""
        return not self.members and not self.members.pending

    def resume(self, stored: StoredGroup) -> None:
        """Becomes what the log has of it, without deadlines."""
        self.is_stored = True
        self.generation_id = stored.generation_id
        self.protocol_type = stored.protocol_type or None
        self.protocol = stored.protocol
        self.state_since_ms = stored.state_since_ms
        for one in stored.members:
            self.members.add(restored_member(one, stored.protocol))
        self.members.leader = stored.leader if stored.leader in self.members else None

    def become(self, state: ClassicGroupState, wall_ms: int) -> None:
        """`wall_ms`: milliseconds since the epoch, as they are stored with the state."""
        self.state = state
        self.state_since_ms = wall_ms

    def schedule(self, at_ms: int) -> None:
        self.next_deadline_ms = min(self.next_deadline_ms, at_ms)

    def extend_session(self, member: ClassicGroupMember, now_ms: int) -> None:
        member.deadline_ms = now_ms + member.session_timeout_ms
        self.schedule(member.deadline_ms)

    def remove_member(self, member: ClassicGroupMember, effects: Effects) -> None:
        """Removes a member; what it waits for is refused."""
        member.refuse_waiting(GroupRefusal.UNKNOWN_MEMBER_ID, effects)
        self.members.remove(member)

    def store(self, effects: Effects) -> None:
        """Has the group as it is now written."""
        self.is_stored = True
        effects.records.append(GroupRecord(self.group_id, self._stored()))

    def _stored(self) -> StoredGroup:
        return StoredGroup(
            self.protocol_type or "",
            self.generation_id,
            self.protocol,
            self.members.leader,
            self.state_since_ms,
            [one.stored(self.protocol) for one in self.members],
        )
