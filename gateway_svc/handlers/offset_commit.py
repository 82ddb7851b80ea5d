"""OffsetCommit: commits offsets of a group. Responds when they are durable.

Missing partitions are refused here; the coordinator receives only existing ones.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import Final, NamedTuple, TypeAlias

from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommitOffsets, CommitResult, OffsetToCommit
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.coordinator_call import CoordinatorOperation, group_client
from gateway_svc.dispatch.error_codes import GROUP_ERRORS
from gateway_svc.dispatch.lookup import resolve_partition
from gateway_svc.wire.apis.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from gateway_svc.wire.codec import encode
from gateway_svc.wire.envelope import Encoded
from gateway_svc.wire.error_code import ErrorCode

#: First version with member epochs (KIP-848).
_EPOCHS_SINCE: Final = 9
#: First version with topic ids.
_TOPIC_IDS_SINCE: Final = 10
#: Cached responses, and the most partitions of one.
_CACHED_MAX: Final = 4096
_CACHED_PARTITIONS_MAX: Final = 16


class _RequestedCommit(NamedTuple):
    """One partition with its commit, or with its error."""

    partition: int
    commit: OffsetToCommit | None
    error_code: ErrorCode = ErrorCode.NONE


_Topics: TypeAlias = list[list[_RequestedCommit]]


def offset_commit(
    request: OffsetCommitRequest, context: RequestContext
) -> OffsetCommitResponse | CoordinatorOperation[OffsetCommitResponse]:
    requested = [
        [_requested(topic, partition, request, context) for partition in topic.partitions]
        for topic in request.topics
    ]
    commits = [
        partition.commit
        for topic in requested
        for partition in topic
        if partition.commit is not None
    ]
    if not commits and request.topics:
        return _response(request, requested, context.api_version, CommitResult())
    committed = context.backends.coordinators.call(
        CommitOffsets(
            group_id=request.group_id,
            offsets=commits,
            member_id=request.member_id,
            generation_id=request.generation_id_or_member_epoch,
            group_instance_id=request.group_instance_id,
            client=group_client(context),
            predates_epochs=context.api_version < _EPOCHS_SINCE,
        )
    )
    respond = partial(_answer, request, requested, context.api_version)
    return CoordinatorOperation(OFFSET_COMMIT, request, committed, respond)


def _answer(
    request: OffsetCommitRequest, requested: _Topics, version: int, result: CommitResult
) -> OffsetCommitResponse | Encoded:
    """Most commits are taken whole, and members commit the same partitions again and again."""
    count = sum(map(len, requested))
    taken = result.refusal is None and len(result.refusals) == count and not any(result.refusals)
    if not taken or count > _CACHED_PARTITIONS_MAX:
        return _response(request, requested, version, result)
    partitions = [
        (topic.name, topic.topic_id, tuple([partition.partition for partition in partitions]))
        for topic, partitions in zip(request.topics, requested, strict=True)
    ]
    return _taken(version, tuple(partitions))


@lru_cache(_CACHED_MAX)
def _taken(version: int, topics: tuple[tuple[str, bytes, tuple[int, ...]], ...]) -> Encoded:
    """The response to a commit of these partitions: topics by name, id and indexes."""
    response = OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=name,
                topic_id=topic_id,
                partitions=[
                    OffsetCommitResponsePartition(partition_index=index) for index in indexes
                ],
            )
            for name, topic_id, indexes in topics
        ]
    )
    return b"".join(encode(response, version, OFFSET_COMMIT.is_flexible(version)))


def _response(
    request: OffsetCommitRequest, requested: _Topics, version: int, result: CommitResult
) -> OffsetCommitResponse:
    errors = (GROUP_ERRORS[refusal] for refusal in _each(result, sum(map(len, requested))))
    if version >= _TOPIC_IDS_SINCE:
        # The topic that has the name now is not the one that the client means.
        unknown, unknown_id = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID
        errors = (unknown_id if error is unknown else error for error in errors)
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[_partition(partition, errors) for partition in partitions],
            )
            for topic, partitions in zip(request.topics, requested, strict=True)
        ]
    )


def _requested(
    topic: OffsetCommitRequestTopic,
    partition: OffsetCommitRequestPartition,
    request: OffsetCommitRequest,
    context: RequestContext,
) -> _RequestedCommit:
    index = partition.partition_index
    named = topic.topic_id if context.api_version >= _TOPIC_IDS_SINCE else topic.name
    found = resolve_partition(context.backends.view, named, index)
    if isinstance(found, ErrorCode):
        return _RequestedCommit(index, None, found)
    commit = OffsetToCommit(
        found.topic.name,
        index,
        partition.committed_offset,
        partition.committed_leader_epoch,
        partition.committed_metadata or "",
        found.topic.topic_id,
        request.retention_time_ms,
        max(partition.commit_timestamp, 0),
    )
    return _RequestedCommit(index, commit)


def _each(result: CommitResult, count: int) -> Iterator[GroupRefusal | None]:
    """A refusal of the whole is one of each partition."""
    each: Sequence[GroupRefusal | None] = (
        result.refusals if result.refusal is None else [result.refusal] * count
    )
    return iter(each)


def _partition(
    requested: _RequestedCommit, errors: Iterator[ErrorCode]
) -> OffsetCommitResponsePartition:
    error_code = requested.error_code
    if requested.commit is not None:
        error_code = next(errors)
    return OffsetCommitResponsePartition(partition_index=requested.partition, error_code=error_code)
