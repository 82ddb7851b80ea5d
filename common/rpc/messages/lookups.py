"""ListOffsets, OffsetsForLeaderEpoch and DescribeLog in messages of partition.v1, both ends.

Only translates.
"""

from collections.abc import Sequence

from common.ports.partitions import (
    NO_LEADER_EPOCH,
    EpochEndOffset,
    EpochQuery,
    LogDescription,
    LogId,
    OffsetQuery,
    OffsetResult,
)
from common.rpc.messages.fields import (
    REFUSALS,
    leader_epoch_from_message,
    leader_epoch_to_message,
    log_from_message,
    refusal_from_message,
)
from protos.partition.v1 import partition_pb2 as pb


def offset_queries_to_message(queries: Sequence[OffsetQuery]) -> pb.ListOffsetsRequest:
    return pb.ListOffsetsRequest(
        queries=[
            pb.OffsetQuery(
                topic_id=query.log.topic_id,
                partition=query.log.partition,
                timestamp=query.timestamp,
                leader_epoch=leader_epoch_to_message(query.leader_epoch),
                read_committed=query.read_committed,
            )
            for query in queries
        ]
    )


def offset_queries_from_message(message: pb.ListOffsetsRequest) -> list[OffsetQuery]:
    """Raises `MalformedRequest` where a topic id has another size than 16 bytes."""
    return [
        OffsetQuery(
            log_from_message(query),
            query.timestamp,
            leader_epoch_from_message(query),
            query.read_committed,
        )
        for query in message.queries
    ]


def offset_results_to_message(results: Sequence[OffsetResult]) -> pb.ListOffsetsResponse:
    return pb.ListOffsetsResponse(
        results=[
            pb.OffsetResult(
                refusal=REFUSALS[result.refusal],
                offset=result.offset,
                timestamp=result.timestamp,
                leader_epoch=result.leader_epoch,
            )
            for result in results
        ]
    )


def offset_results_from_message(message: pb.ListOffsetsResponse) -> list[OffsetResult]:
    return [
        OffsetResult(
            result.offset,
            result.timestamp,
            result.leader_epoch,
            refusal_from_message(result.refusal),
        )
        for result in message.results
    ]


def epoch_queries_to_message(queries: Sequence[EpochQuery]) -> pb.OffsetsForLeaderEpochRequest:
    return pb.OffsetsForLeaderEpochRequest(
        queries=[
            pb.EpochQuery(
                topic_id=query.log.topic_id,
                partition=query.log.partition,
                leader_epoch=query.leader_epoch,
                current_leader_epoch=leader_epoch_to_message(query.current_leader_epoch),
            )
            for query in queries
        ]
    )


def epoch_queries_from_message(message: pb.OffsetsForLeaderEpochRequest) -> list[EpochQuery]:
    """Raises `MalformedRequest` where a topic id has another size than 16 bytes."""
    return [
        EpochQuery(
            log_from_message(query),
            query.leader_epoch,
            query.current_leader_epoch
            if query.HasField("current_leader_epoch")
            else NO_LEADER_EPOCH,
        )
        for query in message.queries
    ]


def epoch_ends_to_message(results: Sequence[EpochEndOffset]) -> pb.OffsetsForLeaderEpochResponse:
    return pb.OffsetsForLeaderEpochResponse(
        results=[
            pb.EpochEndOffset(
                refusal=REFUSALS[result.refusal],
                leader_epoch=result.leader_epoch,
                end_offset=result.end_offset,
            )
            for result in results
        ]
    )


def epoch_ends_from_message(message: pb.OffsetsForLeaderEpochResponse) -> list[EpochEndOffset]:
    return [
        EpochEndOffset(result.leader_epoch, result.end_offset, refusal_from_message(result.refusal))
        for result in message.results
    ]


def logs_to_message(logs: Sequence[LogId]) -> pb.DescribeLogRequest:
    return pb.DescribeLogRequest(
        logs=[pb.LogId(topic_id=log.topic_id, partition=log.partition) for log in logs]
    )


def logs_from_message(message: pb.DescribeLogRequest) -> list[LogId]:
    """Raises `MalformedRequest` where a topic id has another size than 16 bytes."""
    return [log_from_message(log) for log in message.logs]


def descriptions_to_message(descriptions: Sequence[LogDescription]) -> pb.DescribeLogResponse:
    return pb.DescribeLogResponse(
        logs=[
            pb.LogDescription(
                topic_id=description.log.topic_id,
                partition=description.log.partition,
                refusal=REFUSALS[description.refusal],
                log_start_offset=description.log_start_offset,
                high_watermark=description.high_watermark,
                log_end_offset=description.log_end_offset,
                size_bytes=description.size_bytes,
                leader_epoch=description.leader_epoch,
                producer_count=description.producer_count,
                uncleanable=description.uncleanable,
            )
            for description in descriptions
        ]
    )


def descriptions_from_message(message: pb.DescribeLogResponse) -> list[LogDescription]:
    return [
        LogDescription(
            log=LogId(description.topic_id, description.partition),
            log_start_offset=description.log_start_offset,
            high_watermark=description.high_watermark,
            log_end_offset=description.log_end_offset,
            size_bytes=description.size_bytes,
            leader_epoch=description.leader_epoch,
            producer_count=description.producer_count,
            uncleanable=description.uncleanable,
            refusal=refusal_from_message(description.refusal),
        )
        for description in message.logs
    ]
