"""Members of one group that join, leave, die and repeat requests, from a random seed."""

from contextlib import nullcontext
from itertools import count
from random import Random

from common.ports.classic_groups import (
    GroupHeartbeat,
    GroupProtocol,
    JoinGroup,
    JoinReply,
    LeaveGroup,
    LeavingMember,
    MemberAssignment,
    SyncGroup,
    SyncReply,
)
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import (
    CommitOffsets,
    DeleteOffsets,
    FetchOffsets,
    OffsetToCommit,
    TopicPartitions,
)
from partition_svc.coordinator.settings import GroupSettings
from tests.support.groups.group_log import CheckedGroup
from tests.support.groups.interruptions import Interrupted, interrupted_after

SESSION_MS = 10_000
REBALANCE_MS = 30_000
JOIN_AGAIN = (GroupRefusal.REBALANCE_IN_PROGRESS, GroupRefusal.ILLEGAL_GENERATION)


class Client:
    """State of a consumer. `instance` None: a dynamic member."""

    def __init__(self, instance):
        self.instance = instance
        self.member_id, self.generation, self.joined = "", -1, None
        self.wants_join = True


class SimulatedGroup:
    """A group and its clients. `step` does a random action; `settle` waits for all replies."""

    def __init__(self, seed, clients=5):
        self.random = Random(seed)
        self.now_ms = 1_000_000
        self.numbers = count(1)
        delay_ms = self.random.choice([0, 3_000])
        size_max = self.random.choice([3, 100])
        self.shell = CheckedGroup(
            GroupSettings(initial_rebalance_delay_ms=delay_ms, max_size=size_max)
        )
        self.clients = [Client(f"i{number}" if number % 2 else None) for number in range(clients)]
        self.callers = {}  # client that sent each request, by ticket
        self.sent = []  # to be repeated
        self.seen = set()  # events that occurred

    def step(self):
        actions = {
            self._act: 60,
            self._write: 50,
            self._pass_time: 12,
            self._repeat: 8,
            self._die: 2,
            self._crash: 1,
            self._administer: 1,
        }
        self.random.choices(list(actions), list(actions.values()))[0]()

    def settle(self):
        """Sends no more requests; the pending ones complete by timeouts."""
        while self.shell.group.next_deadline is not None:
            self.now_ms = self.shell.group.next_deadline
            self._fire_timers()
        while self.shell.unwritten:
            self._write(delivered=False)
        assert not self.shell.pending
        assert not self.shell.group.describe().members

    def _act(self):
        client = self.random.choice(self.clients)
        if client.wants_join:
            client.wants_join = False
            self._join(client)
        elif client.joined is not None:
            self._sync(client)
        elif client.generation >= 0:
            self.random.choice([self._heartbeat, self._heartbeat, self._commit, self._leave])(
                client
            )

    def _join(self, client):
        names = self.random.choice([["range"], ["sticky"], *[["range", "sticky"]] * 5])
        metadata = self.random.choice([b"1", b"1", b"1", b"2"])
        request = JoinGroup(
            "g",
            client.member_id,
            "consumer",
            [GroupProtocol(name, metadata) for name in names],
            SESSION_MS,
            REBALANCE_MS,
            client.instance,
            may_skip_assignment=self.random.random() < 0.5,
        )
        self._send(client, request)

    def _sync(self, client):
        joined, client.joined = client.joined, None
        plan = next(self.numbers)
        assignments = [
            MemberAssignment(
                member.member_id, f"{joined.generation_id}|{member.member_id}|{plan}".encode()
            )
            for member in ([] if joined.skip_assignment else joined.members)
        ]
        request = SyncGroup(
            "g",
            client.member_id,
            joined.generation_id,
            client.instance,
            assignments=assignments,
        )
        self._send(client, request)

    def _heartbeat(self, client):
        request = GroupHeartbeat("g", client.member_id, client.generation, client.instance)
        self._send(client, request)

    def _commit(self, client):
        offset, partition = next(self.numbers), self.random.randrange(4)
        self.shell.invariants.issued.add(offset)
        offsets = [OffsetToCommit("t", partition, offset)]
        member = (client.member_id, client.generation, client.instance)
        self._send(client, CommitOffsets("g", offsets, *member))

    def _leave(self, client):
        if self.random.random() < 0.2:
            by_instance = client.instance is not None and self.random.random() < 0.5
            leaving = LeavingMember("" if by_instance else client.member_id, client.instance)
            self._send(client, LeaveGroup("g", [leaving]))
            self._renew(client)

    def _die(self):
        self._renew(self.random.choice(self.clients))

    def _renew(self, client):
        self.clients[self.clients.index(client)] = Client(client.instance)

    def _repeat(self):
        """Repeats an earlier request, however old; its response is ignored."""
        if self.sent:
            self._send(None, self.random.choice(self.sent[-self.random.choice([3, 200]) :]))

    def _administer(self):
        shell, ticket = self.shell, self._ticket(None, "admin")
        fetch = FetchOffsets("g", None)
        delete = DeleteOffsets("g", [TopicPartitions("u", [0])])
        self._call(
            self.random.choice(
                [
                    lambda: shell.group.fetch(fetch, ticket, self.now_ms),
                    lambda: shell.group.delete(ticket, self.now_ms),
                    lambda: shell.group.delete_offsets(delete, ticket, self.now_ms),
                ]
            )
        )

    def _send(self, client, request):
        self.sent.append(request)
        ticket, group = self._ticket(client, request), self.shell.group
        member_id = f"m{next(self.numbers)}"
        calls = {
            JoinGroup: lambda: group.join(request, ticket, self.now_ms, member_id),
            SyncGroup: lambda: group.sync(request, ticket, self.now_ms),
            GroupHeartbeat: lambda: group.heartbeat(request, ticket, self.now_ms),
            CommitOffsets: lambda: group.commit(request, ticket, self.now_ms),
            LeaveGroup: lambda: group.leave(request, ticket, self.now_ms),
        }
        self._call(calls[type(request)])

    def _call(self, call):
        """Calls the group; one call in some hundreds raises in the middle, and is rolled back."""
        lines = self.random.randrange(150) if self.random.random() < 0.005 else 10**9
        try:
            with interrupted_after(lines) if lines < 10**9 else nullcontext():
                effects = call()
        except Interrupted:
            self.seen.add("interruption")
            for ticket in self.shell.roll_back(self.now_ms):
                client, request = self.callers.pop(ticket), self.shell.pending.pop(ticket)
                if isinstance(request, JoinGroup | SyncGroup) and client is not None:
                    client.joined, client.wants_join = None, True
            return
        self.shell.take(effects)

    def _ticket(self, client, request):
        ticket = next(self.numbers)
        self.shell.pending[ticket] = request
        self.callers[ticket] = client
        return ticket

    def _pass_time(self):
        self.now_ms += self.random.choice([10, 1_000, 4_000, 12_000])
        self._fire_timers()

    def _fire_timers(self):
        deadline = self.shell.group.next_deadline
        if deadline is not None and deadline <= self.now_ms:
            self._call(lambda: self.shell.group.on_deadline(self.now_ms))
            deadline = self.shell.group.next_deadline
            assert deadline is None or deadline > self.now_ms

    def _crash(self):
        self.seen.add("crash")
        self.shell.crash(self.now_ms, self.random.randint(0, len(self.shell.unwritten)))
        for client in self.clients:
            client.joined = None
            client.wants_join = client.generation < 0 or self.random.random() < 0.5

    def _write(self, *, delivered=True):
        for ticket, request, reply in self.shell.write() if self.shell.unwritten else ():
            self.seen.add((type(reply).__name__, reply.refusal and reply.refusal.name))
            client = self.callers.pop(ticket)
            if delivered and client in self.clients:
                self._on_reply(client, request, reply)

    def _on_reply(self, client, request, reply):
        if reply.refusal is GroupRefusal.MEMBER_ID_REQUIRED:
            client.member_id, client.wants_join = reply.member_id, True
        elif reply.refusal in JOIN_AGAIN:
            client.wants_join = True
        elif reply.refusal is not None:
            client.member_id, client.generation, client.wants_join = "", -1, True
        elif isinstance(reply, JoinReply):
            client.member_id, client.joined = reply.member_id, reply
        elif isinstance(reply, SyncReply):
            client.generation = request.generation_id
