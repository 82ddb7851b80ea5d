"""OffsetForLeaderEpoch: where the records of a leader epoch end, as the owner of the log knows it.

Everybody is answered alike, whatever replica id it gives: nobody replicates.
"""

from collections.abc import Iterator

from common.ports.partitions import EpochEndOffset as EpochEnd
from common.ports.partitions import EpochQuery, LogId
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.call import Call
from gateway_svc.handlers.error_mapping import PARTITION_ERRORS
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


async def offset_for_leader_epoch(
    request: OffsetForLeaderEpochRequest, call: Call
) -> OffsetForLeaderEpochResponse:
    asked = [[_query(topic, one, call) for one in topic.partitions] for topic in request.topics]
    queries = [query for topic in asked for query in topic if query is not None]
    partitions = call.backends.partitions
    try:
        results = iter(await partitions.epoch_end_offsets(queries) if queries else [])
    except BackendUnavailable:
        return OFFSET_FOR_LEADER_EPOCH.refuse(request, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=[
                    _answer(one, query, results)
                    for one, query in zip(topic.partitions, of_topic, strict=True)
                ],
            )
            for topic, of_topic in zip(request.topics, asked, strict=True)
        ]
    )


def _query(
    topic: OffsetForLeaderTopic, asked: OffsetForLeaderPartition, call: Call
) -> EpochQuery | None:
    """What the owner is asked; None where there is no such partition."""
    found = call.backends.view.topic(topic.topic)
    if found is None or not 0 <= asked.partition < len(found.partitions):
        return None
    log = LogId(found.topic_id, asked.partition)
    return EpochQuery(log, asked.leader_epoch, asked.current_leader_epoch)


def _answer(
    asked: OffsetForLeaderPartition, query: EpochQuery | None, results: Iterator[EpochEnd]
) -> EpochEndOffset:
    """Takes the next of `results` where something was asked."""
    if query is None:
        return _failed(asked, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    found = next(results)
    if found.refusal is not None:
        return _failed(asked, PARTITION_ERRORS[found.refusal])
    return EpochEndOffset(
        partition=asked.partition, leader_epoch=found.leader_epoch, end_offset=found.end_offset
    )


def _failed(asked: OffsetForLeaderPartition, error_code: ErrorCode) -> EpochEndOffset:
    return EpochEndOffset(error_code=error_code, partition=asked.partition)
