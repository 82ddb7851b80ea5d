"""A group that a test calls directly: short requests, a clock set by hand, replies by ticket."""

from itertools import count

from common.cluster.view import ClusterView
from common.ports.classic_groups import (
    GroupHeartbeat,
    GroupProtocol,
    JoinGroup,
    LeaveGroup,
    LeavingMember,
    MemberAssignment,
    SyncGroup,
)
from common.ports.group_errors import GroupClient
from common.ports.group_offsets import CommitOffsets, FetchOffsets, OffsetToCommit
from partition_svc.coordinator.group.group import Group
from partition_svc.coordinator.group.logged_members import LoadedGroup
from partition_svc.coordinator.records.stored import GroupRecord
from partition_svc.coordinator.settings import GroupSettings

SESSION_MS, REBALANCE_MS = 10_000, 60_000
#: ConsumerProtocolSubscription of version 0 to the topic "t", without user data.
READS_T = b"\x00\x00" + b"\x00\x00\x00\x01" + b"\x00\x01t" + b"\xff\xff\xff\xff"


class DrivenGroup:
    """A group. `replies` by ticket. `records`: all records that it has written."""

    def __init__(self, **settings):
        settings = {"initial_rebalance_delay_ms": 0, **settings}
        self.settings = GroupSettings(**settings)
        self.group = self.group_of("g")
        self.now_ms = 1_000_000
        self.replies, self.records = {}, []
        self._tickets = count(1)

    def group_of(self, group_id):
        return Group(group_id, self.settings, ClusterView())

    def join(self, member_id="", *, new_id="new", protocols=("range",), metadata=READS_T, **fields):
        """Joins, by default as a client older than KIP-394; returns the ticket."""
        request = JoinGroup(
            group_id="g",
            member_id=member_id,
            protocol_type=fields.pop("protocol_type", "consumer"),
            protocols=[GroupProtocol(name, metadata) for name in protocols],
            session_timeout_ms=fields.pop("session_ms", SESSION_MS),
            rebalance_timeout_ms=fields.pop("rebalance_ms", REBALANCE_MS),
            group_instance_id=fields.pop("instance", None),
            client=GroupClient("client", "/127.0.0.1"),
            needs_member_id=fields.pop("needs_member_id", False),
            **fields,
        )
        ticket = next(self._tickets)
        return self._add_result(ticket, self.group.join(request, ticket, self.now_ms, new_id))

    def sync(self, member_id, generation_id, assignments=None, **fields):
        """`assignments`: bytes by member id."""
        shares = [MemberAssignment(*item) for item in (assignments or {}).items()]
        request = SyncGroup("g", member_id, generation_id, assignments=shares, **fields)
        ticket = next(self._tickets)
        return self._add_result(ticket, self.group.sync(request, ticket, self.now_ms))

    def heartbeat(self, member_id, generation_id, instance=None):
        request = GroupHeartbeat("g", member_id, generation_id, instance)
        ticket = next(self._tickets)
        self._add_result(ticket, self.group.heartbeat(request, ticket, self.now_ms))
        return self.replies[ticket].refusal

    def leave(self, *member_ids):
        """Removes members by id, or by member id and instance id. Returns the refusals."""
        pairs = [(item, None) if isinstance(item, str) else item for item in member_ids]
        request = LeaveGroup("g", [LeavingMember(*pair) for pair in pairs])
        ticket = next(self._tickets)
        self._add_result(ticket, self.group.leave(request, ticket, self.now_ms))
        return [member.refusal for member in self.replies[ticket].members]

    def commit(
        self,
        offset,
        member_id="",
        generation_id=-1,
        instance=None,
        *,
        predates_epochs=False,
        **fields,
    ):
        """Commits for partition 0 of "t"; returns the reply."""
        offsets = [OffsetToCommit("t", 0, offset, **fields)]
        request = CommitOffsets(
            "g", offsets, member_id, generation_id, instance, predates_epochs=predates_epochs
        )
        ticket = next(self._tickets)
        self._add_result(ticket, self.group.commit(request, ticket, self.now_ms))
        return self.replies[ticket]

    def committed(self):
        """Fetches the committed offset of partition 0 of "t", or None."""
        ticket = next(self._tickets)
        self._add_result(ticket, self.group.fetch(FetchOffsets("g"), ticket, self.now_ms))
        offsets = {
            (offset.topic, offset.partition): offset.offset
            for offset in self.replies[ticket].offsets
        }
        return offsets.get(("t", 0))

    def pass_ms(self, passed_ms):
        """Lets time pass; the group is called at each of its deadlines, in order."""
        until_ms = self.now_ms + passed_ms
        while (deadline := self.group.next_deadline) is not None and deadline <= until_ms:
            self.now_ms = max(deadline, self.now_ms)
            self._add_result(None, self.group.on_deadline(self.now_ms))
        self.now_ms = until_ms

    def stable(self, *member_ids, **fields):
        """Brings members into a stable generation, and returns that. The first member leads.

        The assignment of each member is its id.
        """
        tickets = [self.join(new_id=member_id, **fields) for member_id in member_ids]
        tickets = {
            member_id: self.join(member_id, **fields) if self.replies.get(ticket) else ticket
            for member_id, ticket in zip(member_ids, tickets, strict=True)
        }
        joined = self.replies[tickets[member_ids[0]]]
        assignments = {member_id: member_id.encode() for member_id in member_ids}
        for member_id in reversed(member_ids):
            self.sync(member_id, joined.generation_id, assignments)
        return joined.generation_id

    def restart(self):
        """Restores the group from its last record."""
        self.group = self.group_of("g")
        self.group.restore(LoadedGroup(self.stored), self.now_ms)

    @property
    def stored(self):
        return [record.value for record in self.records if isinstance(record, GroupRecord)][-1]

    @property
    def state(self):
        return self.group.describe().state

    @property
    def member_ids(self):
        return [member.member_id for member in self.group.describe().members]

    def _add_result(self, ticket, effects):
        for replied, reply in effects.replies:
            assert replied not in self.replies
            self.replies[replied] = reply
        self.records += effects.records
        return ticket
