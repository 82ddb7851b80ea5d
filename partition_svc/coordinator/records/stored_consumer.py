"""Records of consumer groups, as values: Kafka's ConsumerGroup* records before encoding.

A record whose value is None is a tombstone.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from common.ports.classic_groups import GroupProtocol
from common.ports.group_errors import GroupClient

#: Topic id (16 bytes) and partition.
TopicPartition: TypeAlias = tuple[bytes, int]
Assignment: TypeAlias = frozenset[TopicPartition]

EMPTY_ASSIGNMENT: Final[Assignment] = frozenset()


class MemberState(IntEnum):
    """States of a member; numbers of Kafka's record format (MemberState)."""

    #: Assigned its whole target of its epoch.
    STABLE = 1
    #: Has to confirm the revocation of partitions.
    UNREVOKED_PARTITIONS = 2
    #: Waits for partitions that other members own.
    UNRELEASED_PARTITIONS = 3


class StoredEpoch(NamedTuple):
    """ConsumerGroupMetadataValue. `metadata_hash`: of the subscribed topics; 0 unknown."""

    epoch: int
    metadata_hash: int = 0


class StoredClassic(NamedTuple):
    """ClassicMemberMetadata: the JoinGroup of a classic member in a consumer group."""

    session_timeout_ms: int
    protocols: tuple[GroupProtocol, ...]


class StoredSubscription(NamedTuple):
    """ConsumerGroupMemberMetadataValue. `classic` None: a member of the consumer protocol."""

    instance_id: str | None
    rack_id: str | None
    client: GroupClient
    topic_names: tuple[str, ...]
    topic_regex: str | None
    rebalance_timeout_ms: int
    server_assignor: str | None
    classic: StoredClassic | None = None


class StoredCurrent(NamedTuple):
    """ConsumerGroupCurrentMemberAssignmentValue."""

    epoch: int
    previous_epoch: int
    state: MemberState
    assigned: Assignment
    revoking: Assignment


class EpochRecord(NamedTuple):
    """The group and its epoch (key version 3)."""

    group_id: str
    value: StoredEpoch | None


class SubscriptionRecord(NamedTuple):
    """A member and its subscription (key version 5)."""

    group_id: str
    member_id: str
    value: StoredSubscription | None


class TargetEpochRecord(NamedTuple):
    """The group epoch of the target assignments (key version 6)."""

    group_id: str
    value: int | None


class TargetRecord(NamedTuple):
    """The target assignment of a member (key version 7)."""

    group_id: str
    member_id: str
    value: Assignment | None


class CurrentRecord(NamedTuple):
    """The current assignment of a member (key version 8)."""

    group_id: str
    member_id: str
    value: StoredCurrent | None


ConsumerRecord: TypeAlias = (
    EpochRecord | SubscriptionRecord | TargetEpochRecord | TargetRecord | CurrentRecord
)


def partitions_by_topic(assignment: Iterable[TopicPartition]) -> dict[bytes, list[int]]:
    """Returns topic ids in order, with their partitions in order."""
    topics: dict[bytes, list[int]] = {}
    for topic_id, partition in sorted(assignment):
        topics.setdefault(topic_id, []).append(partition)
    return topics
