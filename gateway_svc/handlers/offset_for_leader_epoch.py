"""OffsetForLeaderEpoch: the end offset of a leader epoch, from the owner of the log.

The replica id of a request is ignored, because there are no replicas.
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
    # A repeated query has repeated results, but is sent to the owner once.
    queries: dict[_Key, EpochQuery] = {}
    for topic in request.topics:
        for partition in topic.partitions:
            key = _key(topic, partition, context)
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
        for partition in topic.partitions:
            key = _key(topic, partition, context)
            # A partition that does not exist, or was deleted meanwhile, has no result.
            found.append(_result(partition, None if key is None else results.get(key)))
            await time_slice.checkpoint()
        topics.append(OffsetForLeaderTopicResult(topic=topic.topic, partitions=found))
    return OffsetForLeaderEpochResponse(topics=topics)


def _key(
    topic: OffsetForLeaderTopic, requested: OffsetForLeaderPartition, context: RequestContext
) -> _Key | None:
    """Returns the query for the owner; None if the partition does not exist."""
    found = resolve_partition(context.backends.view, topic.topic, requested.partition)
    if isinstance(found, ErrorCode):
        return None
    return found.log, requested.leader_epoch, requested.current_leader_epoch


def _result(requested: OffsetForLeaderPartition, found: EpochEnd | None) -> EpochEndOffset:
    if found is None:
        return _failed(requested, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if found.refusal is not None:
        return _failed(requested, PARTITION_ERRORS[found.refusal])
    return EpochEndOffset(
        partition=requested.partition, leader_epoch=found.leader_epoch, end_offset=found.end_offset
    )


def _failed(requested: OffsetForLeaderPartition, error_code: ErrorCode) -> EpochEndOffset:
    return EpochEndOffset(error_code=error_code, partition=requested.partition)
