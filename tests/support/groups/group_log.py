"""Minimal coordinator of a group: a log, a queue of pending writes, and a checker.

Every response of a group passes `CheckedGroup.write`, which checks the invariants.
"""

from collections import deque

from common.cluster.view import ClusterView
from common.ports.classic_groups import JoinReply, SyncReply
from common.ports.group_offsets import CommitOffsets, CommitResult, FetchedOffsets
from partition_svc.coordinator.group.group import Group
from partition_svc.coordinator.group.logged_members import LoadedGroup
from partition_svc.coordinator.records.group_records import decode, encode
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored import GroupRecord
from tests.support.groups.interruptions import observable_state


class CheckedGroup:
    """A group with its log. `pending`: requests without a reply, by ticket.

    `stored`, `offsets`: the last values in the log, decoded from its bytes.
    """

    def __init__(self, settings):
        self.settings = settings
        self.group = Group("g", settings, ClusterView())
        self.pending = {}
        self.unwritten = deque()
        self.stored, self.offsets = None, {}
        self.invariants = Invariants()

    def take(self, effects: CoordinatorResult):
        """Queues the result of a call for its write; an empty group is dropped."""
        self.group.confirm(effects.records)
        self.unwritten.append(effects)
        if not self.group.exists:
            self.group = Group("g", self.settings, ClusterView())

    def write(self):
        """Writes the oldest result and returns its responses as (ticket, request, reply)."""
        effects = self.unwritten.popleft()
        self._append(effects)
        return [self._check_reply(ticket, reply) for ticket, reply in effects.replies]

    def crash(self, now_ms, written):
        """Writes the first `written` queued results without replies, and loses the others."""
        for effects in list(self.unwritten)[:written]:
            self._append(effects)
        self.unwritten.clear()
        self.pending.clear()
        self.group = _restore(self.settings, self.stored, self.offsets, now_ms)

    def roll_back(self, now_ms):
        """Rolls back after a call raised. Returns the tickets that lost their response.

        The group must equal the one restored from all of its results.
        """
        self.group.roll_back(now_ms)
        stored, offsets = self.stored, dict(self.offsets)
        for record in [record for result in self.unwritten for record in result.records]:
            if isinstance(record, GroupRecord):
                stored = record.value
            else:
                offsets[record.topic, record.partition] = record.value
        offsets = {key: value for key, value in offsets.items() if value is not None}
        assert observable_state(self.group) == observable_state(
            _restore(self.settings, stored, offsets, now_ms)
        )
        replied = {ticket for result in self.unwritten for ticket, _ in result.replies}
        return [ticket for ticket in self.pending if ticket not in replied]

    def _append(self, effects):
        for written in effects.records:
            record = decode(*encode(written))
            if isinstance(record, GroupRecord):
                self.invariants.check_group(self.stored, record.value)
                self.stored = record.value
            elif record.value is None:
                del self.offsets[record.topic, record.partition]
            else:
                self.invariants.check_commit(record.value.offset)
                self.offsets[record.topic, record.partition] = record.value

    def _check_reply(self, ticket, reply):
        request = self.pending.pop(ticket)  # fails for requests that already have a response
        self.invariants.check_reply(request, reply, self.stored, self.offsets)
        return ticket, request, reply


def _restore(settings, stored, offsets, now_ms):
    """Returns a group restored from a log. `offsets`: by topic and partition."""
    table = {}
    for (topic, partition), value in offsets.items():
        table.setdefault(topic, {})[partition] = value
    group = Group("g", settings, ClusterView())
    group.restore(LoadedGroup(stored, offsets=table), now_ms)
    return group


class Invariants:
    """Invariants of groups. A static member keeps its identity when its member id changes."""

    def __init__(self):
        self.issued = set()
        self._instances = {}  # by member id
        self._leaders, self._assignments, self._plans = {}, {}, {}

    def check_group(self, before, after):
        if before is not None and after is not None:
            assert after.generation_id >= before.generation_id
        if after is None:
            self._leaders.clear(), self._assignments.clear(), self._plans.clear()
            return
        for member in after.members:
            self._instances[member.member_id] = member.group_instance_id or member.member_id
        assert len({self._identity(member.member_id) for member in after.members}) == len(
            after.members
        )

    def check_commit(self, offset):
        assert offset in self.issued

    def check_reply(self, request, reply, stored, offsets):
        if isinstance(reply, JoinReply) and reply.refusal is None:
            self._check_joined(reply, stored)
        elif isinstance(reply, SyncReply) and reply.refusal is None:
            self._check_synced(request, reply, stored)
        elif isinstance(reply, FetchedOffsets):
            fetched = {(offset.topic, offset.partition): offset.offset for offset in reply.offsets}
            assert fetched == {key: value.offset for key, value in offsets.items()}
        elif isinstance(reply, CommitResult) and isinstance(request, CommitOffsets):
            is_accepted = reply.refusal is None and request.generation_id >= 0
            assert not is_accepted or request.generation_id == stored.generation_id

    def _check_joined(self, joined, stored):
        generation = joined.generation_id
        assert generation == stored.generation_id
        assert joined.member_id in {member.member_id for member in stored.members}
        leader = self._leaders.setdefault(generation, self._identity(joined.leader))
        assert leader == self._identity(joined.leader)
        assert bool(joined.members) == (joined.leader == joined.member_id)
        assert all(member.metadata for member in joined.members)

    def _check_synced(self, request, synced, stored):
        generation, identity = request.generation_id, self._identity(request.member_id)
        assert generation == stored.generation_id
        assert synced.assignment in [member.assignment for member in stored.members]
        known = self._assignments.setdefault((generation, identity), synced.assignment)
        assert known == synced.assignment
        plan_generation, plan_member, plan = synced.assignment.decode().split("|")
        assert int(plan_generation) == generation
        assert self._identity(plan_member) == identity
        assert self._plans.setdefault(generation, plan) == plan

    def _identity(self, member_id):
        return self._instances[member_id]
