"""Requests to commit, fetch and delete the offsets of a group."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from common.ports.group_errors import UNKNOWN_CLIENT, GroupClient, GroupRefusal
from common.ports.group_request import GroupRequest

#: The generation in requests of clients that are no members.
NO_GENERATION: Final = -1
#: An offset that is kept as long as its group's offsets are.
NO_RETENTION: Final = -1


@dataclass(slots=True)
class OffsetToCommit:
    """Topics by name; `topic_id` is set where the gateway knows it (16 bytes), else empty."""

    topic: str
    partition: int
    offset: int
    leader_epoch: int = -1
    metadata: str = ""
    topic_id: bytes = b""
    #: How many milliseconds it is kept by the coordinator's clock (OffsetCommit 2 to 4).
    retention_ms: int = NO_RETENTION
    #: Milliseconds since the epoch (OffsetCommit 1), or 0: when the coordinator takes it.
    committed_at_ms: int = 0


@dataclass(slots=True)
class CommitOffsets(GroupRequest["CommitResult"]):
    """`generation_id` is the member epoch in a consumer group; -1 and no member: not a member.

    `predates_epochs`: the client knows neither stale epochs nor missing groups (OffsetCommit 0-8).
    """

    outlives_caller = True

    offsets: Sequence[OffsetToCommit]
    member_id: str = ""
    generation_id: int = NO_GENERATION
    group_instance_id: str | None = None
    client: GroupClient = UNKNOWN_CLIENT
    predates_epochs: bool = False

    def refused(self, refusal: GroupRefusal) -> "CommitResult":
        return CommitResult(refusal=refusal)


@dataclass(slots=True)
class CommitResult:
    """One refusal or None for each offset, in order. The offsets are durable."""

    refusals: Sequence[GroupRefusal | None] = ()
    refusal: GroupRefusal | None = None


@dataclass(slots=True)
class TopicPartitions:
    """`topic_id`: 16 bytes, or empty where only the name is given."""

    topic: str
    partitions: Sequence[int]
    topic_id: bytes = b""


@dataclass(slots=True)
class FetchOffsets(GroupRequest["FetchedOffsets"]):
    """`topics` None: all partitions for which the group has an offset.

    An offset that was committed for another topic id than the topic has now does not count
    (KAFKA-19154).
    """

    topics: Sequence[TopicPartitions] | None = None
    member_id: str | None = None
    member_epoch: int = NO_GENERATION
    require_stable: bool = False

    def refused(self, refusal: GroupRefusal) -> "FetchedOffsets":
        return FetchedOffsets(refusal=refusal)


@dataclass(slots=True)
class CommittedOffset:
    """`offset` -1: there is no committed offset."""

    topic: str
    partition: int
    offset: int = -1
    leader_epoch: int = -1
    metadata: str = ""
    refusal: GroupRefusal | None = None


@dataclass(slots=True)
class FetchedOffsets:
    offsets: Sequence[CommittedOffset] = ()
    refusal: GroupRefusal | None = None


@dataclass(slots=True)
class DeleteOffsets(GroupRequest["DeletedOffsets"]):
    topics: Sequence[TopicPartitions]

    def refused(self, refusal: GroupRefusal) -> "DeletedOffsets":
        return DeletedOffsets(refusal=refusal)


@dataclass(slots=True)
class DeletedOffsets:
    """One refusal or None for each requested partition, in order."""

    refusals: Sequence[GroupRefusal | None] = ()
    refusal: GroupRefusal | None = None
