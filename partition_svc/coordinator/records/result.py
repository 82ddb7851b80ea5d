"""Results of calls to a group as values: records to write, and replies for afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from common.ports.classic_groups import (
    DescribedGroup,
    GroupResult,
    HeartbeatReply,
    JoinReply,
    LeaveReply,
    SyncReply,
)
from common.ports.consumer_groups import ConsumerHeartbeatReply, DescribedConsumerGroup
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommitResult, DeletedOffsets, FetchedOffsets
from partition_svc.coordinator.records.stored import GroupRecord, OffsetRecord
from partition_svc.coordinator.records.stored_consumer import ConsumerRecord

Reply: TypeAlias = (
    JoinReply
    | SyncReply
    | HeartbeatReply
    | LeaveReply
    | GroupResult
    | CommitResult
    | FetchedOffsets
    | DeletedOffsets
    | ConsumerHeartbeatReply
    | DescribedGroup
    | DescribedConsumerGroup
)


class PendingReply(Protocol):
    """The reply to a request, to be given exactly once. A group keeps it and never resolves it."""

    def resolve(self, reply: Reply) -> None:
        """Replies. No effect where the caller has cancelled."""
        ...

    def reject(self, refusal: GroupRefusal) -> None:
        """Refuses the request in place of the reply that was decided on."""
        ...


Record: TypeAlias = GroupRecord | OffsetRecord | ConsumerRecord


@dataclass(slots=True)
class CoordinatorResult:
    """Result of one call to a group at `now_ms`.

    Records are written in this order, after those of the group's calls before. The replies go out
    when these records and all earlier ones of the group are durable, also where there are none
    here: a reply reveals a decision of the group, which must not be undone.

    `now_ms` is monotonic: sessions and deadlines are measured by it. Times that are stored follow
    `wall_ms`, in milliseconds since the epoch: by them offsets expire, also in later processes.
    """

    now_ms: int
    replies: list[tuple[PendingReply, Reply]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    #: None: as `now_ms`.
    wall_clock: Callable[[], int] | None = None

    @property
    def wall_ms(self) -> int:
        return self.now_ms if self.wall_clock is None else self.wall_clock()

    def reply(self, ticket: PendingReply, reply: Reply) -> None:
        self.replies.append((ticket, reply))
