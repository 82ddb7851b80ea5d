"""The port's types to and from partition.v1 messages, as the calling side needs them.

Only translates. Refusals have the same numbers on both sides; 0 in a message is "none".
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from common.ports.partitions import (
    ACKS_ALL,
    ACKS_LEADER,
    ACKS_NONE,
    NO_LEADER_EPOCH,
    AbortedTransaction,
    Append,
    AppendResult,
    EpochEndOffset,
    EpochQuery,
    FetchQuery,
    FetchResult,
    LogDescription,
    LogId,
    OffsetQuery,
    OffsetResult,
    RecordError,
    Refusal,
    stored,
)
from common.rpc.wire_format import split
from protos.partition.v1 import partition_pb2 as pb

_ACKS: Final = {
    ACKS_ALL: pb.ACKS_ALL,
    ACKS_LEADER: pb.ACKS_LEADER,
    # A client that expects no response must still be told of an error, by closing its connection.
    # So what became of its append must be known: ACKS_NONE would leave that open.
    ACKS_NONE: pb.ACKS_LEADER,
}

#: Copying less than this costs less than looking at it in Python.
_SMALL_BYTES: Final = 8 << 10


def append_request(appends: Iterable[tuple[int, Append, int]]) -> pb.AppendRequest:
    """Append ids, appends and their acks. Copies the batches: protobuf takes nothing but bytes.

    Filled in place: made apart, each would be copied once more.
    """
    message = pb.AppendRequest()
    for append_id, append, acks in appends:
        topic_id, partition = append.log
        epoch = append.leader_epoch
        message.appends.add(
            append_id=append_id,
            topic_id=topic_id,
            partition=partition,
            leader_epoch=None if epoch == NO_LEADER_EPOCH else epoch,
            acks=_ACKS[acks],
            batch=bytes(append.batch),
        )
    return message


def append_result_from_message(message: pb.AppendResult) -> AppendResult:
    if message.HasField("stored"):
        at = message.stored
        return stored(at.base_offset, at.log_append_time_ms, at.log_start_offset)
    refused = message.refused
    return AppendResult(
        refusal=Refusal(refused.refusal),
        message=refused.message or None,
        record_errors=tuple(
            RecordError(one.batch_index, one.message or None) for one in refused.record_errors
        ),
        leader_epoch=refused.leader_epoch,
    )


def fetch_query_to_message(query: FetchQuery) -> pb.FetchRequest:
    return pb.FetchRequest(
        partitions=[
            pb.FetchPartition(
                topic_id=one.log.topic_id,
                partition=one.log.partition,
                fetch_offset=one.fetch_offset,
                max_bytes=one.max_bytes,
                leader_epoch=_epoch(one.leader_epoch),
            )
            for one in query.partitions
        ],
        max_wait_ms=query.max_wait_ms,
        min_bytes=query.min_bytes,
        max_bytes=query.max_bytes,
        read_committed=query.read_committed,
    )


def decoded_fetch_response(data: bytes) -> list[FetchResult]:
    """The results of an encoded FetchResponse. Their records are views of it, not copies.

    Raises:
        DecodeError: it is none.
    """
    _, results = split(memoryview(data), pb.FetchResponse.RESULTS_FIELD_NUMBER)
    return [_fetch_result(one) for one in results]


class FetchPiece(NamedTuple):
    """A part of an answer on a stream, as in the proto."""

    fetch_id: int
    results: list[FetchResult]
    continues: bool
    is_last: bool
    ends_waits: bool


def fetch_pieces(data: bytes) -> list[FetchPiece]:
    """The pieces of an encoded FetchStreamResponse. Large records are views of it, not copies.

    Raises:
        DecodeError: it is none.
    """
    if len(data) <= _SMALL_BYTES:
        return [
            _piece_of(one, [*map(_small_result, one.results)])
            for one in pb.FetchStreamResponse.FromString(data).pieces
        ]
    _, pieces = split(memoryview(data), pb.FetchStreamResponse.PIECES_FIELD_NUMBER)
    return [_fetch_piece(one) for one in pieces]


def _fetch_piece(data: memoryview) -> FetchPiece:
    rest, results = split(data, pb.FetchPiece.RESULTS_FIELD_NUMBER)
    message = pb.FetchPiece.FromString(rest)
    return _piece_of(message, [*map(_fetch_result, results)])


def _piece_of(message: pb.FetchPiece, results: list[FetchResult]) -> FetchPiece:
    return FetchPiece(
        message.fetch_id, results, message.continues, message.is_last, message.ends_waits
    )


def _fetch_result(data: memoryview) -> FetchResult:
    rest, batches = split(data, pb.FetchResult.BATCHES_FIELD_NUMBER)
    # The last where there are more, as protobuf has it.
    return _result_of(pb.FetchResult.FromString(rest), batches[-1] if batches else b"")


def _small_result(message: pb.FetchResult) -> FetchResult:
    return _result_of(message, message.batches)


def _result_of(message: pb.FetchResult, batches: bytes | memoryview) -> FetchResult:
    aborted = message.aborted.transactions if message.HasField("aborted") else None
    return FetchResult(
        records=[batches] if batches else [],
        high_watermark=message.high_watermark,
        last_stable_offset=message.last_stable_offset,
        log_start_offset=message.log_start_offset,
        leader_epoch=message.leader_epoch,
        aborted=None
        if aborted is None
        else [AbortedTransaction(one.producer_id, one.first_offset) for one in aborted],
        refusal=_refusal(message.refusal),
    )


def offset_queries_to_message(queries: Sequence[OffsetQuery]) -> pb.ListOffsetsRequest:
    return pb.ListOffsetsRequest(
        queries=[
            pb.OffsetQuery(
                topic_id=one.log.topic_id,
                partition=one.log.partition,
                timestamp=one.timestamp,
                leader_epoch=_epoch(one.leader_epoch),
                read_committed=one.read_committed,
            )
            for one in queries
        ]
    )


def offset_results_from_message(message: pb.ListOffsetsResponse) -> list[OffsetResult]:
    return [
        OffsetResult(one.offset, one.timestamp, one.leader_epoch, _refusal(one.refusal))
        for one in message.results
    ]


def epoch_queries_to_message(queries: Sequence[EpochQuery]) -> pb.OffsetsForLeaderEpochRequest:
    return pb.OffsetsForLeaderEpochRequest(
        queries=[
            pb.EpochQuery(
                topic_id=one.log.topic_id,
                partition=one.log.partition,
                leader_epoch=one.leader_epoch,
                current_leader_epoch=_epoch(one.current_leader_epoch),
            )
            for one in queries
        ]
    )


def epoch_ends_from_message(message: pb.OffsetsForLeaderEpochResponse) -> list[EpochEndOffset]:
    return [
        EpochEndOffset(one.leader_epoch, one.end_offset, _refusal(one.refusal))
        for one in message.results
    ]


def logs_to_message(logs: Sequence[LogId]) -> pb.DescribeLogRequest:
    return pb.DescribeLogRequest(
        logs=[pb.LogId(topic_id=one.topic_id, partition=one.partition) for one in logs]
    )


def descriptions_from_message(message: pb.DescribeLogResponse) -> list[LogDescription]:
    return [
        LogDescription(
            log=LogId(one.topic_id, one.partition),
            log_start_offset=one.log_start_offset,
            high_watermark=one.high_watermark,
            log_end_offset=one.log_end_offset,
            size_bytes=one.size_bytes,
            leader_epoch=one.leader_epoch,
            producer_count=one.producer_count,
            uncleanable=one.uncleanable,
            refusal=_refusal(one.refusal),
        )
        for one in message.logs
    ]


def _epoch(leader_epoch: int) -> int | None:
    return None if leader_epoch == NO_LEADER_EPOCH else leader_epoch


def _refusal(number: int) -> Refusal | None:
    return Refusal(number) if number else None
