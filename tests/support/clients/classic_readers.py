"""Clients of the classic protocol, in a group of either kind, one step at a time.

They behave like real clients: an eager one ("range") revokes everything before it joins; a
cooperative one names what it keeps reading, revokes what it was not assigned, and joins again.
Their leader assigns.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from common.ports.classic_groups import (
    GroupHeartbeat,
    GroupProtocol,
    HeartbeatTaken,
    Joined,
    JoinGroup,
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


def _partitions(named: Iterable[tuple[str, int]]) -> bytes:
    topics: dict[str, list[int]] = {}
    for name, partition in sorted(named):
        topics.setdefault(name, []).append(partition)
    parts = [struct.pack(">i", len(topics))]
    for name, partitions in topics.items():
        parts += (_text(name), struct.pack(f">i{len(partitions)}i", len(partitions), *partitions))
    return b"".join(parts)


@dataclass
class ClassicReader:
    """`act` is its next step. `owned`: what it reads now, by topic id and partition."""

    simulated: SimulatedConsumerGroup
    names: list[str] = field(default_factory=lambda: ["a"])
    strategies: tuple[str, ...] = (EAGER,)
    protocol_type: str = "consumer"
    instance_id: str | None = None
    member_id: str = ""
    generation: int = -1
    owned: frozenset[tuple[bytes, int]] = frozenset()
    joined: Joined | None = None
    wants_join: bool = True
    refusal: GroupRefusal | None = None
    _waits: tuple[int, int] | None = None

    def act(self) -> None:
        if self._waits is not None:
            self._hear()
        elif self.joined is not None:
            self._sync(self.joined)
        elif self.wants_join:
            self._join()
        else:
            self._beat()

    @property
    def is_settled(self) -> bool:
        return self._waits is None and self.joined is None and not self.wants_join

    @property
    def partitions(self) -> set[tuple[str, int]]:
        return {(name_of(one), partition) for one, partition in self.owned}

    @property
    def is_cooperative(self) -> bool:
        return EAGER not in self.strategies

    def join_request(self, **changes: Any) -> JoinGroup:
        owned = self.partitions if self.is_cooperative else set()
        metadata = subscription(self.names, owned)
        says: dict[str, Any] = {
            "protocol_type": self.protocol_type,
            "protocols": [GroupProtocol(one, metadata) for one in self.strategies],
            "session_timeout_ms": SESSION_MS,
            "rebalance_timeout_ms": REBALANCE_MS,
            "group_instance_id": self.instance_id,
        }
        return JoinGroup("g", self.member_id, **(says | changes))

    def leave(self) -> Any:
        request = LeaveGroup("g", [LeavingMember(self.member_id, self.instance_id)])
        left = self.simulated.do(
            lambda: self.simulated.group.leave(request, "t", self.simulated.now_ms)
        )
        self._lose()
        return left.members[0].refusal

    def commit(self, offset: int, **fields: Any) -> GroupRefusal | None:
        offsets = [OffsetToCommit("a", 0, offset)]
        request = CommitOffsets("g", offsets, self.member_id, self.generation, **fields)
        simulated = self.simulated
        refusal: GroupRefusal | None = simulated.do(
            lambda: simulated.group.commit(request, "t", simulated.now_ms)
        ).refusal
        return refusal

    def _ask(self, call: Any) -> None:
        ticket = next(_ids)
        self._waits = ticket, self.simulated.crashes
        self.simulated.do(lambda: call(ticket))
        self._hear()

    def _hear(self) -> None:
        assert self._waits is not None
        ticket, crashes = self._waits
        if ticket in self.simulated.answers:
            self._waits = None
            self._take(self.simulated.answers.pop(ticket))
        elif crashes != self.simulated.crashes:
            self.break_off()

    def break_off(self) -> None:
        """Drops the connection; the client starts again by joining."""
        self._waits, self.joined, self.wants_join = None, None, True

    def begin_join(self) -> JoinGroup:
        """The request to join, before which an eager client revokes all of its partitions."""
        if not self.is_cooperative:
            self.owned = frozenset()
        return self.join_request()

    def _join(self) -> None:
        request, simulated = self.begin_join(), self.simulated
        new_id = f"c{next(_ids)}"
        self._ask(lambda ticket: simulated.group.join(request, ticket, simulated.now_ms, new_id))

    def _sync(self, joined: Joined) -> None:
        plan = self._assign(joined) if joined.members and not joined.skip_assignment else {}
        request = SyncGroup(
            "g",
            self.member_id,
            joined.generation_id,
            self.instance_id,
            self.protocol_type,
            joined.protocol_name,
            [MemberAssignment(who, assignment(what)) for who, what in plan.items()],
        )
        simulated = self.simulated
        self._ask(lambda ticket: simulated.group.sync(request, ticket, simulated.now_ms))

    def _beat(self) -> None:
        request, simulated = self._heartbeat(), self.simulated
        self._ask(lambda ticket: simulated.group.heartbeat(request, ticket, simulated.now_ms))

    def _heartbeat(self) -> GroupHeartbeat:
        return GroupHeartbeat("g", self.member_id, self.generation, self.instance_id)

    def _take(self, reply: Any) -> None:
        self.refusal = reply.refusal
        if isinstance(reply, Joined):
            self._take_joined(reply)
        elif reply.refusal is GroupRefusal.REBALANCE_IN_PROGRESS:
            self.joined, self.wants_join = None, True
        elif reply.refusal is not None:
            self._lose()
        elif not isinstance(reply, HeartbeatTaken):
            self._take_assignment(reply.assignment)

    def _take_joined(self, joined: Joined) -> None:
        if joined.refusal is GroupRefusal.MEMBER_ID_REQUIRED:
            self.member_id = joined.member_id
        elif joined.refusal is GroupRefusal.REBALANCE_IN_PROGRESS:
            self.wants_join = True
        elif joined.refusal is not None:
            self._lose()
        else:
            self.member_id, self.joined, self.wants_join = joined.member_id, joined, False

    def _take_assignment(self, data: bytes) -> None:
        assert self.joined is not None
        self.generation, self.joined = self.joined.generation_id, None
        named = read_assignment(data)
        assert named is not None
        given = frozenset((topic_id(name), partition) for name, partition in named)
        self.wants_join = self.is_cooperative and bool(self.owned - given)
        self.owned = given

    def _lose(self) -> None:
        if self.refusal in _LOST:
            self.member_id = ""
        self.generation, self.owned, self.joined = -1, frozenset(), None
        self.wants_join = True

    def _assign(self, joined: Joined) -> Mapping[str, list[tuple[str, int]]]:
        """Assigns evenly; partitions that a member still reads go to no other (KIP-429)."""
        said = {member.member_id: read_subscription(member.metadata) for member in joined.members}
        owners = {part: who for who, one in said.items() for part in (one.owned if one else ())}
        plan: dict[str, list[tuple[str, int]]] = {who: [] for who in said}
        wanted: dict[str, int] = dict.fromkeys(said, 0)
        for topic in self.simulated.view.topics:
            readers = [who for who, one in said.items() if one and topic.name in one.topics]
            for partition in range(len(topic.partitions) if readers else 0):
                who = min(readers, key=wanted.__getitem__)
                wanted[who] += 1
                if owners.get((topic.name, partition), who) == who:
                    plan[who].append((topic.name, partition))
        return plan


def run(*readers: Any, rounds: int = 40) -> None:
    """Lets every client act in turn until nothing changes any more."""
    for _ in range(rounds):
        before = [(reader.owned, _stand(reader)) for reader in readers]
        for one in readers:
            one.act() if isinstance(one, ClassicReader) else one.beat()
        settled = all(reader.is_settled for reader in readers if isinstance(reader, ClassicReader))
        if settled and before == [(reader.owned, _stand(reader)) for reader in readers]:
            return
    raise AssertionError("the group does not settle")


def _stand(one: Any) -> Any:
    return (one.generation, one.is_settled) if isinstance(one, ClassicReader) else one.epoch
