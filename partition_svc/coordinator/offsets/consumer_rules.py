"""Permissions to commit and fetch, and expiration of offsets, in a consumer group (KIP-848).

Kafka: ConsumerGroup.validateOffsetCommit, validateOffsetFetch, offsetExpirationCondition.
"""

from collections.abc import Callable

from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommitOffsets, FetchOffsets
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import ConsumerGroupMember
from partition_svc.coordinator.records.stored import StoredOffset


def commit_refusal(group: ConsumerGroup, request: CommitOffsets) -> GroupRefusal | None:
    """Returns why a commit is rejected, if it is.

    Any client may commit to a group without members; otherwise only members may, in their epoch.
    """
    if request.generation_id < 0 and not group.members:
        return None
    member = group.members.get(request.member_id)
    if member is None:
        return GroupRefusal.UNKNOWN_MEMBER_ID
    if request.predates_epochs and member.classic is None:
        return GroupRefusal.UNSUPPORTED_VERSION
    return _epoch_refusal(member, request.generation_id)


def fetch_refusal(group: ConsumerGroup, request: FetchOffsets) -> GroupRefusal | None:
    """Returns why a fetch is rejected, if it is. One without a member id is not checked."""
    if request.member_id is None and request.member_epoch < 0:
        return None
    member = group.members.get(request.member_id or "")
    if member is None:
        return GroupRefusal.UNKNOWN_MEMBER_ID
    return _epoch_refusal(member, request.member_epoch)


def expiry_rule(group: ConsumerGroup, now_ms: int) -> Callable[[str, int, StoredOffset], bool]:
    """Returns a predicate: True for an expired offset of a topic without subscription.

    The retention counts from the commit, unless the commit has a retention of its own
    (OffsetCommit 2 to 4). `now_ms`: since the epoch.
    """
    retention_ms = group.settings.offsets_retention_ms

    def is_expired(topic: str, partition: int, stored: StoredOffset) -> bool:
        if stored.expires_at_ms >= 0:
            is_old = now_ms >= stored.expires_at_ms
        else:
            is_old = now_ms - stored.committed_at_ms >= retention_ms
        return is_old and not group.is_subscribed(topic)

    return is_expired


def _epoch_refusal(member: ConsumerGroupMember, epoch: int) -> GroupRefusal | None:
    """Returns the error of a wrong epoch, by the protocol of the member."""
    if epoch == member.epoch:
        return None
    is_classic = member.classic is not None
    return GroupRefusal.ILLEGAL_GENERATION if is_classic else GroupRefusal.STALE_MEMBER_EPOCH
