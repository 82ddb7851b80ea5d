"""Records of `__consumer_offsets`, as values: Kafka's records before encoding.

A record whose value is None is a tombstone.
"""

from collections.abc import Sequence
from typing import NamedTuple

from common.ports.group_errors import GroupClient


class StoredMember(NamedTuple):
    """MemberMetadata of Kafka's GroupMetadataValue. `assignment` empty: not assigned yet."""

    member_id: str
    group_instance_id: str | None
    client: GroupClient
    rebalance_timeout_ms: int
    session_timeout_ms: int
    subscription: bytes
    assignment: bytes


class StoredGroup(NamedTuple):
    """Kafka's GroupMetadataValue, version 3. `protocol` and `leader` None: no members.

    `state_since_ms`: milliseconds since the epoch (currentStateTimestamp), or -1.
    """

    protocol_type: str
    generation_id: int
    protocol: str | None
    leader: str | None
    state_since_ms: int
    members: Sequence[StoredMember] = ()


class StoredOffset(NamedTuple):
    """Kafka's OffsetCommitValue. Times are in milliseconds since the epoch, or -1.

    `topic_id`: 16 bytes, or empty where it was not known.
    """

    offset: int
    leader_epoch: int
    metadata: str
    committed_at_ms: int
    expires_at_ms: int = -1
    topic_id: bytes = b""


class GroupRecord(NamedTuple):
    """The group's members, generation and assignment (GroupMetadataKey, version 2)."""

    group_id: str
    value: StoredGroup | None


class OffsetRecord(NamedTuple):
    """One committed offset (OffsetCommitKey, version 1)."""

    group_id: str
    topic: str
    partition: int
    value: StoredOffset | None
