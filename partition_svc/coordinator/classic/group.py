"""The state of a classic group: generation, protocol, members and deadlines.

Requests and timeouts are in the modules beside this one: `join.py`, `sync.py`, `timeouts.py`, ...
Kafka: ClassicGroup.
"""

from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.classic.member import ClassicGroupMember, restore_member
from partition_svc.coordinator.classic.members import ClassicGroupMembers
from partition_svc.coordinator.classic.state import (
    ClassicGroupEvent,
    ClassicGroupState,
    next_state,
)
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored import GroupRecord, StoredGroup
from partition_svc.coordinator.settings import GroupSettings


class ClassicGroup:
    """Deadlines are milliseconds of one monotonic clock.

    `state_since_ms`: milliseconds since the epoch (currentStateTimestamp), -1 if unknown.
    `join_by_ms`: when the join phase completes without the members that have not joined.
    `sync_by_ms`: when members that have not sent SyncGroup are removed.
    `initial_delay_left_ms`: None, or, while an empty group waits for its first members, by how much
    that delay may still be extended; `has_newcomer`: a member joined since it was last extended.
    `next_deadline_ms`: not later than the first of all deadlines.
    `is_stored`: the log has a record of the group.
    """

    __slots__ = (
        "_state",
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
        "state_since_ms",
        "sync_by_ms",
    )

    def __init__(self, group_id: str, settings: GroupSettings) -> None:
        self.group_id = group_id
        self.settings = settings
        self._state = ClassicGroupState.EMPTY
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
    def state(self) -> ClassicGroupState:
        return self._state

    def transition(self, event: ClassicGroupEvent) -> None:
        """Changes the state as the table of `state.py` says. Raises `IllegalTransition`."""
        self._state = next_state(self._state, event)

    def transition_at(self, event: ClassicGroupEvent, result: CoordinatorResult) -> None:
        """Takes a transition, and sets `state_since_ms`, which is stored with the group."""
        self.transition(event)
        self.state_since_ms = result.wall_ms

    def restore(self, stored: StoredGroup) -> None:
        """Takes over what the log has of a new group; members have no deadlines yet."""
        self.is_stored = True
        self.generation_id = stored.generation_id
        self.protocol_type = stored.protocol_type or None
        self.protocol = stored.protocol
        self.state_since_ms = stored.state_since_ms
        for member in stored.members:
            self.members.add(restore_member(member, stored.protocol))
        self.members.leader = stored.leader if stored.leader in self.members else None

    def schedule(self, at_ms: int) -> None:
        """Adds a deadline."""
        self.next_deadline_ms = min(self.next_deadline_ms, at_ms)

    def extend_session(self, member: ClassicGroupMember, now_ms: int) -> None:
        member.deadline_ms = now_ms + member.session_timeout_ms
        self.schedule(member.deadline_ms)

    def remove_member(self, member: ClassicGroupMember, result: CoordinatorResult) -> None:
        """Removes a member and rejects its pending join and sync."""
        member.reject_pending(GroupRefusal.UNKNOWN_MEMBER_ID, result)
        self.members.remove(member)

    def store(self, result: CoordinatorResult) -> None:
        """Writes the record of the group as it is now."""
        self.is_stored = True
        result.records.append(GroupRecord(self.group_id, self._as_stored_group()))

    def write_tombstone(self, result: CoordinatorResult) -> None:
        if self.is_stored:
            result.records.append(GroupRecord(self.group_id, None))

    def delete(self, result: CoordinatorResult) -> None:
        """Deletes an empty group."""
        self.write_tombstone(result)
        self.transition(ClassicGroupEvent.DELETED)

    def _as_stored_group(self) -> StoredGroup:
        return StoredGroup(
            self.protocol_type or "",
            self.generation_id,
            self.protocol,
            self.members.leader,
            self.state_since_ms,
            [member.as_stored_member(self.protocol) for member in self.members],
        )
