"""Simulated clients of the classic protocol, for classic and consumer groups, step by step.

They behave like real clients. An eager client ("range") revokes all partitions before it joins. A
cooperative client names the partitions that it keeps, revokes those that it lost, and joins again.
The leader assigns.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from common.ports.classic_groups import (
    GroupHeartbeat,
    GroupProtocol,
    HeartbeatReply,
    JoinGroup,
    JoinReply,
    LeaveGroup,
    LeavingMember,
    MemberAssignment,
    SyncGroup,
)
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommitOffsets, OffsetToCommit
from partition_svc.coordinator.records.consumer_protocol import read_assignment, read_subscription
from tests.support.groups.consumer_groups import SimulatedConsumerGroup, topic_id

EAGER, COOPERATIVE = "range", "cooperative-sticky"
SESSION_MS, REBALANCE_MS = 45_000, 60_000
_LOST = (GroupRefusal.UNKNOWN_MEMBER_ID, GroupRefusal.FENCED_INSTANCE_ID)
_ids = count(1)


def name_of(topic: bytes) -> str:
    return topic.decode().rstrip(".")


def subscription(names: Iterable[str], owned: Iterable[tuple[str, int]] = ()) -> bytes:
    """ConsumerProtocolSubscription of version 1."""
    topics = list(names)
    data = struct.pack(">hi", 1, len(topics)) + b"".join(map(_text, topics))
    return data + struct.pack(">i", -1) + _partitions(owned)


def assignment(assigned: Iterable[tuple[str, int]]) -> bytes:
    """ConsumerProtocolAssignment of version 1."""
    return struct.pack(">h", 1) + _partitions(assigned) + struct.pack(">i", -1)


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _partitions(pairs: Iterable[tuple[str, int]]) -> bytes:
    topics: dict[str, list[int]] = {}
    for name, partition in sorted(pairs):
        topics.setdefault(name, []).append(partition)
    parts = [struct.pack(">i", len(topics))]
    for name, partitions in topics.items():
        parts += (_text(name), struct.pack(f">i{len(partitions)}i", len(partitions), *partitions))
    return b"".join(parts)


@dataclass
class ClassicReader:
    """A client; `act` does its next step. `owned`: (topic id, partition) of what it reads."""

    simulated: SimulatedConsumerGroup
    names: list[str] = field(default_factory=lambda: ["a"])
    strategies: tuple[str, ...] = (EAGER,)
    protocol_type: str = "consumer"
    instance_id: str | None = None
    member_id: str = ""
    generation: int = -1
    owned: frozenset[tuple[bytes, int]] = frozenset()
    joined: JoinReply | None = None
    wants_join: bool = True
    refusal: GroupRefusal | None = None
    _pending: tuple[int, int] | None = None

    def act(self) -> None:
        if self._pending is not None:
            self._poll_reply()
        elif self.joined is not None:
            self._sync(self.joined)
        elif self.wants_join:
            self._join()
        else:
            self._send_heartbeat()

    @property
    def is_settled(self) -> bool:
        return self._pending is None and self.joined is None and not self.wants_join

    @property
    def partitions(self) -> set[tuple[str, int]]:
        return {(name_of(topic), partition) for topic, partition in self.owned}

    @property
    def is_cooperative(self) -> bool:
        return EAGER not in self.strategies

    def join_request(self, **changes: Any) -> JoinGroup:
        owned = self.partitions if self.is_cooperative else set()
        metadata = subscription(self.names, owned)
        values: dict[str, Any] = {
            "protocol_type": self.protocol_type,
            "protocols": [GroupProtocol(strategy, metadata) for strategy in self.strategies],
            "session_timeout_ms": SESSION_MS,
            "rebalance_timeout_ms": REBALANCE_MS,
            "group_instance_id": self.instance_id,
        }
        return JoinGroup("g", self.member_id, **(values | changes))

    def leave(self) -> Any:
        request = LeaveGroup("g", [LeavingMember(self.member_id, self.instance_id)])
        reply = self.simulated.do(
            lambda: self.simulated.group.leave(request, "t", self.simulated.now_ms)
        )
        self._reset()
        return reply.members[0].refusal

    def commit(self, offset: int, **fields: Any) -> GroupRefusal | None:
        offsets = [OffsetToCommit("a", 0, offset)]
        request = CommitOffsets("g", offsets, self.member_id, self.generation, **fields)
        simulated = self.simulated
        refusal: GroupRefusal | None = simulated.do(
            lambda: simulated.group.commit(request, "t", simulated.now_ms)
        ).refusal
        return refusal

    def _call(self, call: Any) -> None:
        ticket = next(_ids)
        self._pending = ticket, self.simulated.crashes
        self.simulated.do(lambda: call(ticket))
        self._poll_reply()

    def _poll_reply(self) -> None:
        assert self._pending is not None
        ticket, crashes = self._pending
        if ticket in self.simulated.replies:
            self._pending = None
            self._on_reply(self.simulated.replies.pop(ticket))
        elif crashes != self.simulated.crashes:
            self.break_off()

    def break_off(self) -> None:
        """Drops the connection; the client starts again by joining."""
        self._pending, self.joined, self.wants_join = None, None, True

    def begin_join(self) -> JoinGroup:
        """Returns the JoinGroup request; an eager client revokes all its partitions before it."""
        if not self.is_cooperative:
            self.owned = frozenset()
        return self.join_request()

    def _join(self) -> None:
        request, simulated = self.begin_join(), self.simulated
        new_id = f"c{next(_ids)}"
        self._call(lambda ticket: simulated.group.join(request, ticket, simulated.now_ms, new_id))

    def _sync(self, joined: JoinReply) -> None:
        plan = self._assign(joined) if joined.members and not joined.skip_assignment else {}
        request = SyncGroup(
            "g",
            self.member_id,
            joined.generation_id,
            self.instance_id,
            self.protocol_type,
            joined.protocol_name,
            [MemberAssignment(member, assignment(share)) for member, share in plan.items()],
        )
        simulated = self.simulated
        self._call(lambda ticket: simulated.group.sync(request, ticket, simulated.now_ms))

    def _send_heartbeat(self) -> None:
        request, simulated = self._heartbeat(), self.simulated
        self._call(lambda ticket: simulated.group.heartbeat(request, ticket, simulated.now_ms))

    def _heartbeat(self) -> GroupHeartbeat:
        return GroupHeartbeat("g", self.member_id, self.generation, self.instance_id)

    def _on_reply(self, reply: Any) -> None:
        self.refusal = reply.refusal
        if isinstance(reply, JoinReply):
            self._on_joined(reply)
        elif reply.refusal is GroupRefusal.REBALANCE_IN_PROGRESS:
            self.joined, self.wants_join = None, True
        elif reply.refusal is not None:
            self._reset()
        elif not isinstance(reply, HeartbeatReply):
            self._on_assignment(reply.assignment)

    def _on_joined(self, joined: JoinReply) -> None:
        if joined.refusal is GroupRefusal.MEMBER_ID_REQUIRED:
            self.member_id = joined.member_id
        elif joined.refusal is GroupRefusal.REBALANCE_IN_PROGRESS:
            self.wants_join = True
        elif joined.refusal is not None:
            self._reset()
        else:
            self.member_id, self.joined, self.wants_join = joined.member_id, joined, False

    def _on_assignment(self, data: bytes) -> None:
        assert self.joined is not None
        self.generation, self.joined = self.joined.generation_id, None
        pairs = read_assignment(data)
        assert pairs is not None
        assigned = frozenset((topic_id(name), partition) for name, partition in pairs)
        self.wants_join = self.is_cooperative and bool(self.owned - assigned)
        self.owned = assigned

    def _reset(self) -> None:
        if self.refusal in _LOST:
            self.member_id = ""
        self.generation, self.owned, self.joined = -1, frozenset(), None
        self.wants_join = True

    def _assign(self, joined: JoinReply) -> Mapping[str, list[tuple[str, int]]]:
        """Assigns evenly; partitions that a member still reads go to no other (KIP-429)."""
        subscriptions = {
            member.member_id: parsed
            for member in joined.members
            if (parsed := read_subscription(member.metadata)) is not None
        }
        owners = {pair: member for member, one in subscriptions.items() for pair in one.owned}
        plan: dict[str, list[tuple[str, int]]] = {m.member_id: [] for m in joined.members}
        counts: dict[str, int] = dict.fromkeys(plan, 0)
        for topic in self.simulated.view.topics:
            readers = [member for member, one in subscriptions.items() if topic.name in one.topics]
            for partition in range(len(topic.partitions) if readers else 0):
                member = min(readers, key=counts.__getitem__)
                counts[member] += 1
                if owners.get((topic.name, partition), member) == member:
                    plan[member].append((topic.name, partition))
        return plan


def run(*readers: Any, rounds: int = 40) -> None:
    """Lets every client act in turn until nothing changes any more."""
    for _ in range(rounds):
        before = [(reader.owned, _progress(reader)) for reader in readers]
        for reader in readers:
            reader.act() if isinstance(reader, ClassicReader) else reader.beat()
        is_settled = all(
            reader.is_settled for reader in readers if isinstance(reader, ClassicReader)
        )
        if is_settled and before == [(reader.owned, _progress(reader)) for reader in readers]:
            return
    raise AssertionError("the group does not become stable")


def _progress(reader: Any) -> Any:
    if isinstance(reader, ClassicReader):
        return reader.generation, reader.is_settled
    return reader.epoch
