"""Consumer groups, in which the coordinator assigns (KIP-848)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from common.ports.group_errors import UNKNOWN_CLIENT, GroupClient, GroupRefusal
from common.ports.group_request import GroupRequest

#: The member epoch of a member's last heartbeat.
LEAVE_GROUP_MEMBER_EPOCH: Final = -1


@dataclass(slots=True)
class OwnedPartitions:
    """Partitions of one topic of a consumer group, by topic id (16 bytes)."""

    topic_id: bytes
    partitions: Sequence[int]


@dataclass(slots=True)
class ConsumerHeartbeat(GroupRequest["ConsumerHeartbeatReply"]):
    """None and -1 mean: unchanged since the previous heartbeat (KIP-848)."""

    outlives_caller = True

    member_id: str
    member_epoch: int
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    subscribed_topic_names: Sequence[str] | None = None
    subscribed_topic_regex: str | None = None
    server_assignor: str | None = None
    owned: Sequence[OwnedPartitions] | None = None
    client: GroupClient = UNKNOWN_CLIENT

    @property
    def is_idempotent(self) -> bool:
        """A heartbeat carries the member's epoch, and its execution may raise that epoch.

        A second one with the old epoch would fence the member (KIP-848). After an error clients
        send a full heartbeat, which is accepted under the old epoch too.
        """
        return self.member_epoch == LEAVE_GROUP_MEMBER_EPOCH

    def adapt_retried(self, reply: "ConsumerHeartbeatReply") -> "ConsumerHeartbeatReply":
        """A member that is unknown to the retry has left before."""
        if reply.refusal in (GroupRefusal.UNKNOWN_MEMBER_ID, GroupRefusal.GROUP_ID_NOT_FOUND):
            return ConsumerHeartbeatReply(self.member_id, self.member_epoch)
        return reply

    def refused(self, refusal: GroupRefusal) -> "ConsumerHeartbeatReply":
        return ConsumerHeartbeatReply(refusal=refusal)


@dataclass(slots=True)
class ConsumerHeartbeatReply:
    """`assignment` None: unchanged since the previous reply."""

    member_id: str = ""
    member_epoch: int = 0
    heartbeat_interval_ms: int = 0
    assignment: Sequence[OwnedPartitions] | None = None
    refusal: GroupRefusal | None = None
    message: str | None = None


@dataclass(slots=True)
class DescribeConsumerGroup(GroupRequest["DescribedConsumerGroup"]):
    def refused(self, refusal: GroupRefusal) -> "DescribedConsumerGroup":
        return DescribedConsumerGroup(self.group_id, refusal=refusal)


@dataclass(slots=True)
class DescribedConsumerMember:
    """`member_type` 0 classic, 1 consumer (KIP-1099)."""

    member_id: str
    member_epoch: int
    client: GroupClient
    instance_id: str | None = None
    rack_id: str | None = None
    subscribed_topic_names: Sequence[str] = ()
    subscribed_topic_regex: str | None = None
    assignment: Sequence[OwnedPartitions] = ()
    target: Sequence[OwnedPartitions] = ()
    member_type: int = 1


@dataclass(slots=True)
class DescribedConsumerGroup:
    group_id: str
    state: str = ""
    group_epoch: int = 0
    assignment_epoch: int = 0
    assignor: str = ""
    members: Sequence[DescribedConsumerMember] = field(default_factory=list)
    refusal: GroupRefusal | None = None
    message: str | None = None
