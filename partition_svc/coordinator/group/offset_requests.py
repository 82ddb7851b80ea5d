"""Requests for the offsets of a group: who may commit, fetch and delete depends on its protocol."""

from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import (
    CommitOffsets,
    CommitResult,
    DeletedOffsets,
    DeleteOffsets,
    FetchedOffsets,
    FetchOffsets,
)
from partition_svc.coordinator.group.state import GroupState
from partition_svc.coordinator.offsets import classic_rules, consumer_rules
from partition_svc.coordinator.offsets.classic_rules import Subscriptions
from partition_svc.coordinator.records.result import CoordinatorResult


def commit(group: GroupState, request: CommitOffsets, result: CoordinatorResult) -> CommitResult:
    """Commits offsets. A commit to a classic group extends the member's session, as heartbeats."""
    classic = group.classic
    if group.consumer is not None:
        refusal = consumer_rules.commit_refusal(group.consumer, request)
    else:
        refusal = classic_rules.commit_refusal(classic, request, exists=group.exists)
    if refusal is not None:
        return CommitResult(refusal=refusal)
    if request.member_id in classic.members:
        classic.extend_session(classic.members[request.member_id], result.now_ms)
    return group.offsets.commit(request.offsets, group.settings.offset_metadata_max, result)


def fetch(group: GroupState, request: FetchOffsets) -> FetchedOffsets:
    if group.consumer is not None:
        refusal = consumer_rules.fetch_refusal(group.consumer, request)
        if refusal is not None:
            return FetchedOffsets(refusal=refusal)
    return group.offsets.fetch(request.topics)


def delete(group: GroupState, request: DeleteOffsets, result: CoordinatorResult) -> DeletedOffsets:
    """Deletes offsets of topics to which no member subscribes (OffsetDelete)."""
    if not group.exists:
        return DeletedOffsets(refusal=GroupRefusal.GROUP_ID_NOT_FOUND)
    refusal = classic_rules.delete_refusal(group.classic)
    if refusal is not None:
        return DeletedOffsets(refusal=refusal)
    subscriptions = Subscriptions(group.classic)
    refusals: list[GroupRefusal | None] = []
    for requested in request.topics:
        if group.consumer is None:
            is_subscribed = requested.topic in subscriptions
        else:
            is_subscribed = group.consumer.is_subscribed(requested.topic)
        refusal = GroupRefusal.GROUP_SUBSCRIBED_TO_TOPIC if is_subscribed else None
        refusals += [refusal] * len(requested.partitions)
        for partition in () if is_subscribed else requested.partitions:
            group.offsets.delete(requested.topic, partition, result)
    return DeletedOffsets(refusals)
