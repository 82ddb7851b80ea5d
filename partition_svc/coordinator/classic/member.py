"""One member of a classic group, and its requests that wait for the others."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.ports.classic_groups import (
    DescribedMember,
    GroupProtocol,
    Joined,
    JoinedMember,
    JoinGroup,
    Synced,
)
from common.ports.group_errors import GroupClient, GroupRefusal
from partition_svc.coordinator.records.result import Effects, Ticket
from partition_svc.coordinator.records.stored import StoredMember


@dataclass(slots=True)
class ClassicGroupMember:
    """`is_new`: no generation has begun since it came. `deadline_ms`: when its session ends."""

    member_id: str
    group_instance_id: str | None
    client: GroupClient
    protocols: Sequence[GroupProtocol]
    rebalance_timeout_ms: int
    session_timeout_ms: int
    assignment: bytes = b""
    deadline_ms: int = 0
    is_new: bool = False
    join_ticket: Ticket | None = None
    sync_ticket: Ticket | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for others: its session does not end meanwhile, except a new one's."""
        is_waiting = self.join_ticket is not None or self.sync_ticket is not None
        return is_waiting and not self.is_new

    def metadata(self, protocol: str | None) -> bytes:
        """What it says under `protocol`; nothing where it does not know that one."""
        for one in self.protocols:
            if one.name == protocol:
                return one.metadata
        return b""

    def vote(self, candidates: set[str]) -> str:
        """The first of its protocols that is a candidate; there is one."""
        return next(one.name for one in self.protocols if one.name in candidates)

    def park_join(self, ticket: Ticket, effects: Effects) -> None:
        """Lets a join wait. One that waited already is superseded: its caller may join again."""
        self.answer_join(_join_refused(self.member_id, GroupRefusal.REBALANCE_IN_PROGRESS), effects)
        self.join_ticket = ticket

    def park_sync(self, ticket: Ticket, effects: Effects) -> None:
        """Lets a sync wait. One that waited already is superseded."""
        self.answer_sync(Synced(refusal=GroupRefusal.REBALANCE_IN_PROGRESS), effects)
        self.sync_ticket = ticket

    def answer_join(self, joined: Joined, effects: Effects) -> None:
        if self.join_ticket is not None:
            effects.reply(self.join_ticket, joined)
            self.join_ticket = None

    def answer_sync(self, synced: Synced, effects: Effects) -> None:
        if self.sync_ticket is not None:
            effects.reply(self.sync_ticket, synced)
            self.sync_ticket = None

    def refuse_waiting(self, refusal: GroupRefusal, effects: Effects) -> None:
        """Answers whatever waits."""
        self.answer_join(_join_refused(self.member_id, refusal), effects)
        self.answer_sync(Synced(refusal=refusal), effects)

    def joined(self, protocol: str | None) -> JoinedMember:
        return JoinedMember(self.member_id, self.group_instance_id, self.metadata(protocol))

    def described(self, protocol: str | None) -> DescribedMember:
        """Metadata is told of a protocol only: of a group that is Stable."""
        return DescribedMember(
            self.member_id,
            self.group_instance_id,
            self.client,
            self.metadata(protocol),
            self.assignment,
        )

    def stored(self, protocol: str | None) -> StoredMember:
        return StoredMember(
            self.member_id,
            self.group_instance_id,
            self.client,
            self.rebalance_timeout_ms,
            self.session_timeout_ms,
            self.metadata(protocol),
            self.assignment,
        )


def _join_refused(member_id: str, refusal: GroupRefusal) -> Joined:
    """As Kafka: who is unknown is to come without a member id."""
    is_unknown = refusal is GroupRefusal.UNKNOWN_MEMBER_ID
    return Joined(member_id="" if is_unknown else member_id, refusal=refusal)


def joining_member(request: JoinGroup, member_id: str) -> ClassicGroupMember:
    return ClassicGroupMember(
        member_id,
        request.group_instance_id,
        request.client,
        request.protocols,
        request.rebalance_timeout_ms,
        request.session_timeout_ms,
    )


def restored_member(stored: StoredMember, protocol: str | None) -> ClassicGroupMember:
    """A member as the log has it: of its protocols only the one that was chosen."""
    rebalance_timeout_ms = stored.rebalance_timeout_ms
    return ClassicGroupMember(
        stored.member_id,
        stored.group_instance_id,
        stored.client,
        [] if protocol is None else [GroupProtocol(protocol, stored.subscription)],
        stored.session_timeout_ms if rebalance_timeout_ms == -1 else rebalance_timeout_ms,
        stored.session_timeout_ms,
        stored.assignment,
    )
