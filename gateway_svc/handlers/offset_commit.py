"""OffsetCommit: where a group will go on reading. Answered when that is durable.

Partitions that do not exist are refused here; the coordinator sees only those that do.
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

#: Since this version clients know of member epochs (KIP-848).
_EPOCHS_SINCE: Final = 9
#: Since this version topics are named by their ids.
_TOPIC_IDS_SINCE: Final = 10
#: So many responses are remembered, of so many partitions at most.
_REMEMBERED_MAX: Final = 4096
_REMEMBERED_PARTITIONS_MAX: Final = 16


class _Asked(NamedTuple):
    """One partition: what is committed, or why nothing is."""

    partition: int
    commit: OffsetToCommit | None
    error_code: ErrorCode = ErrorCode.NONE


_Topics: TypeAlias = list[list[_Asked]]


def offset_commit(
    request: OffsetCommitRequest, context: RequestContext
) -> OffsetCommitResponse | CoordinatorOperation[OffsetCommitResponse]:
    asked = [
        [_asked(topic, one, request, context) for one in topic.partitions]
        for topic in request.topics
    ]
    commits = [one.commit for topic in asked for one in topic if one.commit is not None]
    if not commits and request.topics:
        return _response(request, asked, context.api_version, CommitResult())
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
    respond = partial(_answer, request, asked, context.api_version)
    return CoordinatorOperation(OFFSET_COMMIT, request, committed, respond)


def _answer(
    request: OffsetCommitRequest, asked: _Topics, version: int, result: CommitResult
) -> OffsetCommitResponse | Encoded:
    """Most commits are taken whole, and members commit the same partitions again and again."""
    count = sum(map(len, asked))
    taken = result.refusal is None and len(result.refusals) == count and not any(result.refusals)
    if not taken or count > _REMEMBERED_PARTITIONS_MAX:
        return _response(request, asked, version, result)
    partitions = [
        (topic.name, topic.topic_id, tuple([one.partition for one in partitions]))
        for topic, partitions in zip(request.topics, asked, strict=True)
    ]
    return _taken(version, tuple(partitions))


@lru_cache(_REMEMBERED_MAX)
def _taken(version: int, topics: tuple[tuple[str, bytes, tuple[int, ...]], ...]) -> Encoded:
    """The response to a commit of these partitions: topics by name, id and indexes."""
    response = OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=name,
                topic_id=topic_id,
                partitions=[OffsetCommitResponsePartition(partition_index=one) for one in indexes],
            )
            for name, topic_id, indexes in topics
        ]
    )
    return b"".join(encode(response, version, OFFSET_COMMIT.is_flexible(version)))


def _response(
    request: OffsetCommitRequest, asked: _Topics, version: int, result: CommitResult
) -> OffsetCommitResponse:
    errors = (GROUP_ERRORS[one] for one in _each(result, sum(map(len, asked))))
    if version >= _TOPIC_IDS_SINCE:
        # The topic that has the name now is not the one that the client means.
        unknown, unknown_id = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID
        errors = (unknown_id if one is unknown else one for one in errors)
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[_partition(one, errors) for one in partitions],
            )
            for topic, partitions in zip(request.topics, asked, strict=True)
        ]
    )


def _asked(
    topic: OffsetCommitRequestTopic,
    one: OffsetCommitRequestPartition,
    request: OffsetCommitRequest,
    context: RequestContext,
) -> _Asked:
    index = one.partition_index
    named = topic.topic_id if context.api_version >= _TOPIC_IDS_SINCE else topic.name
    found = resolve_partition(context.backends.view, named, index)
    if isinstance(found, ErrorCode):
        return _Asked(index, None, found)
    commit = OffsetToCommit(
        found.topic.name,
        index,
        one.committed_offset,
        one.committed_leader_epoch,
        one.committed_metadata or "",
        found.topic.topic_id,
        request.retention_time_ms,
        max(one.commit_timestamp, 0),
    )
    return _Asked(index, commit)


def _each(result: CommitResult, count: int) -> Iterator[GroupRefusal | None]:
    """A refusal of the whole is one of each partition."""
    each: Sequence[GroupRefusal | None] = (
        result.refusals if result.refusal is None else [result.refusal] * count
    )
    return iter(each)


def _partition(asked: _Asked, errors: Iterator[ErrorCode]) -> OffsetCommitResponsePartition:
    error_code = asked.error_code
    if asked.commit is not None:
        error_code = next(errors)
    return OffsetCommitResponsePartition(partition_index=asked.partition, error_code=error_code)
