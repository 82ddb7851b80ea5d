"""OffsetForLeaderEpoch: where the records of a leader epoch end, as the owner of the log knows it.

Everybody is answered alike, whatever replica id it gives: nobody replicates.
"""

from typing import TypeAlias

from common.ports.partitions import EpochEndOffset as EpochEnd
from common.ports.partitions import EpochQuery, LogId
from common.ports.unavailable import BackendUnavailable
from common.runtime.cooperative import TimeSlice
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.error_codes import PARTITION_ERRORS
from gateway_svc.dispatch.lookup import resolve_partition
from gateway_svc.wire.apis.offset_for_leader_epoch import (
    OFFSET_FOR_LEADER_EPOCH,
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
    OffsetForLeaderTopicResult,
)
from gateway_svc.wire.error_code import ErrorCode

#: The fields of an `EpochQuery`.
_Key: TypeAlias = tuple[LogId, int, int]


async def offset_for_leader_epoch(
    request: OffsetForLeaderEpochRequest, context: RequestContext
) -> OffsetForLeaderEpochResponse:
    time_slice = TimeSlice()
    # What is asked twice is answered twice, and asked of the owner once.
    queries: dict[_Key, EpochQuery] = {}
    for topic in request.topics:
        for one in topic.partitions:
            key = _key(topic, one, context)
            if key is not None:
                queries[key] = EpochQuery(*key)
            await time_slice.checkpoint()
    partitions = context.backends.partitions
    try:
        ends = await partitions.epoch_end_offsets(list(queries.values())) if queries else []
    except BackendUnavailable:
        return OFFSET_FOR_LEADER_EPOCH.refuse(request, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    results = dict(zip(queries, ends, strict=True))
    topics = []
    for topic in request.topics:
        found = []
        for one in topic.partitions:
            key = _key(topic, one, context)
            # A partition that was not there, or is gone meanwhile, has no result.
            found.append(_answer(one, None if key is None else results.get(key)))
            await time_slice.checkpoint()
        topics.append(OffsetForLeaderTopicResult(topic=topic.topic, partitions=found))
    return OffsetForLeaderEpochResponse(topics=topics)


def _key(
    topic: OffsetForLeaderTopic, asked: OffsetForLeaderPartition, context: RequestContext
) -> _Key | None:
    """What the owner is asked; None where there is no such partition."""
    found = resolve_partition(context.backends.view, topic.topic, asked.partition)
    if isinstance(found, ErrorCode):
        return None
    return found.log, asked.leader_epoch, asked.current_leader_epoch


def _answer(asked: OffsetForLeaderPartition, found: EpochEnd | None) -> EpochEndOffset:
    if found is None:
        return _failed(asked, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if found.refusal is not None:
        return _failed(asked, PARTITION_ERRORS[found.refusal])
    return EpochEndOffset(
        partition=asked.partition, leader_epoch=found.leader_epoch, end_offset=found.end_offset
    )


def _failed(asked: OffsetForLeaderPartition, error_code: ErrorCode) -> EpochEndOffset:
    return EpochEndOffset(error_code=error_code, partition=asked.partition)
