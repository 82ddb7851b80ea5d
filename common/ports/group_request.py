"""Requests to coordinators, as types that know their reply and whether they may be retried.

A call whose response was lost may have taken effect or not. It is retried where a second execution
has the same effect, or where its reply shows that the first one succeeded; otherwise the client
receives COORDINATOR_NOT_AVAILABLE and decides, as it does when a broker crashes.

    retried                  Heartbeat, SyncGroup, OffsetCommit, OffsetFetch, OffsetDelete,
                             descriptions and lists, JoinGroup with a member or instance id
    retried, reply adapted   DeleteGroups, LeaveGroup by member id, a member's last heartbeat
    not retried in doubt     ConsumerGroupHeartbeat, JoinGroup of a member without an id,
                             LeaveGroup by instance id (a new member may have it by then)
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from common.ports.group_errors import GroupRefusal


class CoordinatorReply(Protocol):
    """A coordinator's reply: the result, or a refusal."""

    refusal: GroupRefusal | None


ReplyT = TypeVar("ReplyT", bound=CoordinatorReply)


class CoordinatorRequest(Generic[ReplyT]):
    """A request and the rules for its retries. Attributes without annotation are no fields."""

    __slots__ = ()

    #: True if the coordinator may wait for other members, for minutes, before it replies.
    waits_for_members = False
    #: True if the coordinator executes it even if the caller cancels: clients commit and close.
    outlives_caller = False

    @property
    def is_idempotent(self) -> bool:
        """True if the request may be sent again while the outcome of the first is unknown."""
        return True

    def adapt_retried(self, reply: ReplyT) -> ReplyT:
        """Returns the reply to both attempts, given that to a retry of an unknown outcome."""
        return reply

    def refused(self, refusal: GroupRefusal) -> ReplyT:
        """Returns the reply that carries `refusal`."""
        raise NotImplementedError


@dataclass(slots=True)
class GroupRequest(CoordinatorRequest[ReplyT]):
    """A request about one group, executed by the coordinator of that group."""

    group_id: str
