"""Permissions to commit and delete, and expiration of offsets, in a classic group.

Kafka: ClassicGroup.validateOffsetCommit, validateOffsetDelete, offsetExpirationCondition.
"""

from collections.abc import Callable
from typing import Final

from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommitOffsets
from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.state import ClassicGroupState
from partition_svc.coordinator.records.consumer_protocol import (
    CONSUMER_PROTOCOL_TYPE,
    subscribed_topics,
)
from partition_svc.coordinator.records.stored import StoredOffset

#: Limit of subscribed topics of a group; equal subscriptions count once. Parsing takes some 0.3 s.
_TOPICS_MAX: Final = 300_000


def commit_refusal(
    group: ClassicGroup, request: CommitOffsets, *, exists: bool
) -> GroupRefusal | None:
    """Returns why a commit is rejected, if it is.

    Any client may commit to a group without members; otherwise only members may, in their
    generation. `exists`: see `GroupState` (OffsetMetadataManager.validateOffsetCommit).
    """
    has_generation = request.generation_id >= 0
    if not has_generation and group.state is ClassicGroupState.EMPTY:
        return None
    if has_generation and not exists:
        is_old = request.predates_epochs
        return GroupRefusal.ILLEGAL_GENERATION if is_old else GroupRefusal.GROUP_ID_NOT_FOUND
    if not has_generation and not request.member_id and request.group_instance_id is None:
        return GroupRefusal.UNKNOWN_MEMBER_ID
    refusal = group.members.check(request.member_id, request.group_instance_id)
    if refusal is not None:
        return refusal
    if request.generation_id != group.generation_id:
        return GroupRefusal.ILLEGAL_GENERATION
    if group.state is ClassicGroupState.COMPLETING_REBALANCE:
        return GroupRefusal.REBALANCE_IN_PROGRESS
    return None


def delete_refusal(group: ClassicGroup) -> GroupRefusal | None:
    """Rejects a group with members whose subscriptions have an unknown format."""
    is_consumer = group.protocol_type == CONSUMER_PROTOCOL_TYPE
    if group.state is not ClassicGroupState.EMPTY and not is_consumer:
        return GroupRefusal.NON_EMPTY_GROUP
    return None


class Subscriptions:
    """The topics that a group's members subscribe to, unless that cannot be parsed."""

    __slots__ = ("_topics",)

    def __init__(self, group: ClassicGroup) -> None:
        self._topics: set[str] | None = set()
        if group.protocol_type != CONSUMER_PROTOCOL_TYPE:
            return
        left = _TOPICS_MAX
        for metadata in {member.metadata(group.protocol) for member in group.members}:
            topics = subscribed_topics(metadata, left)
            if topics is None:
                self._topics = None
                return
            left -= len(topics)
            self._topics.update(topics)

    @property
    def are_known(self) -> bool:
        return self._topics is not None

    def __contains__(self, topic: object) -> bool:
        """True if a member subscribes to the topic, or a subscription could not be parsed."""
        return self._topics is None or topic in self._topics


def expiry_rule(
    group: ClassicGroup, now_ms: int
) -> Callable[[str, int, StoredOffset], bool] | None:
    """Returns a predicate: True for an expired offset (KIP-211). None if no offset expires now.

    The retention counts from when the group became empty, and from the commit in a group that
    never had members, or whose members subscribe to other topics now. A commit may have a retention
    of its own (OffsetCommit 2 to 4). `now_ms`: since the epoch.
    """
    retention_ms = group.settings.offsets_retention_ms
    subscriptions = Subscriptions(group)
    is_empty = group.state is ClassicGroupState.EMPTY
    empty_since_ms = group.state_since_ms if group.protocol_type and is_empty else -1
    if not is_empty and not _expires_with_members(group, subscriptions):
        return None

    def is_expired(topic: str, partition: int, stored: StoredOffset) -> bool:
        if topic in subscriptions:
            return False
        if stored.expires_at_ms >= 0:
            return now_ms >= stored.expires_at_ms
        since_ms = stored.committed_at_ms if empty_since_ms < 0 else empty_since_ms
        return now_ms - since_ms >= retention_ms

    return is_expired


def _expires_with_members(group: ClassicGroup, subscriptions: Subscriptions) -> bool:
    is_known = group.protocol_type == CONSUMER_PROTOCOL_TYPE and subscriptions.are_known
    return is_known and group.state is ClassicGroupState.STABLE
