"""A member of a classic group, and its requests that wait for other members."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.ports.classic_groups import (
    DescribedMember,
    GroupProtocol,
    JoinedMember,
    JoinGroup,
    JoinReply,
    SyncReply,
)
from common.ports.group_errors import GroupClient, GroupRefusal
from partition_svc.coordinator.records.result import CoordinatorResult, PendingReply
from partition_svc.coordinator.records.stored import StoredMember


@dataclass(slots=True)
class ClassicGroupMember:
    """`is_new`: no generation has started since it joined. `deadline_ms`: the end of its session.

    `pending_join`, `pending_sync`: its pending requests.
    """

    member_id: str
    group_instance_id: str | None
    client: GroupClient
    protocols: Sequence[GroupProtocol]
    rebalance_timeout_ms: int
    session_timeout_ms: int
    assignment: bytes = b""
    deadline_ms: int = 0
    is_new: bool = False
    pending_join: PendingReply | None = None
    pending_sync: PendingReply | None = None

    @property
    def is_waiting(self) -> bool:
        """True if the session does not expire: a request of a member that is not new is pending."""
        has_pending = self.pending_join is not None or self.pending_sync is not None
        return has_pending and not self.is_new

    def metadata(self, protocol: str | None) -> bytes:
        """Returns the metadata for `protocol`, empty if the member does not support it."""
        for supported in self.protocols:
            if supported.name == protocol:
                return supported.metadata
        return b""

    def vote(self, candidates: set[str]) -> str:
        """Returns the first of its protocols that is a candidate; there is one."""
        return next(each.name for each in self.protocols if each.name in candidates)

    def hold_join(self, pending: PendingReply, result: CoordinatorResult) -> None:
        """Keeps a join pending. Rejects one that was pending before; its caller may join again."""
        self.respond_to_join(
            _rejected_join(self.member_id, GroupRefusal.REBALANCE_IN_PROGRESS), result
        )
        self.pending_join = pending

    def hold_sync(self, pending: PendingReply, result: CoordinatorResult) -> None:
        """Keeps a sync pending. Rejects one that was pending before."""
        self.respond_to_sync(SyncReply(refusal=GroupRefusal.REBALANCE_IN_PROGRESS), result)
        self.pending_sync = pending

    def respond_to_join(self, reply: JoinReply, result: CoordinatorResult) -> None:
        if self.pending_join is not None:
            result.reply(self.pending_join, reply)
            self.pending_join = None

    def respond_to_sync(self, reply: SyncReply, result: CoordinatorResult) -> None:
        if self.pending_sync is not None:
            result.reply(self.pending_sync, reply)
            self.pending_sync = None

    def reject_pending(self, refusal: GroupRefusal, result: CoordinatorResult) -> None:
        """Rejects the pending join and sync."""
        self.respond_to_join(_rejected_join(self.member_id, refusal), result)
        self.respond_to_sync(SyncReply(refusal=refusal), result)

    def as_joined_member(self, protocol: str | None) -> JoinedMember:
        return JoinedMember(self.member_id, self.group_instance_id, self.metadata(protocol))

    def describe(self, protocol: str | None) -> DescribedMember:
        """`protocol`: None unless the group is Stable; metadata is empty then."""
        return DescribedMember(
            self.member_id,
            self.group_instance_id,
            self.client,
            self.metadata(protocol),
            self.assignment,
        )

    def as_stored_member(self, protocol: str | None) -> StoredMember:
        return StoredMember(
            self.member_id,
            self.group_instance_id,
            self.client,
            self.rebalance_timeout_ms,
            self.session_timeout_ms,
            self.metadata(protocol),
            self.assignment,
        )


def _rejected_join(member_id: str, refusal: GroupRefusal) -> JoinReply:
    """Returns the response without a member id if that is unknown, as Kafka does."""
    is_unknown = refusal is GroupRefusal.UNKNOWN_MEMBER_ID
    return JoinReply(member_id="" if is_unknown else member_id, refusal=refusal)


def joining_member(request: JoinGroup, member_id: str) -> ClassicGroupMember:
    return ClassicGroupMember(
        member_id,
        request.group_instance_id,
        request.client,
        request.protocols,
        request.rebalance_timeout_ms,
        request.session_timeout_ms,
    )


def restore_member(stored: StoredMember, protocol: str | None) -> ClassicGroupMember:
    """Returns a member with the one protocol that the log has: that of its generation."""
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
