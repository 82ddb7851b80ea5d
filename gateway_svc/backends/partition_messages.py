"""The port's types to and from partition.v1 messages. Only translates.

Refusals have the same numbers on both sides; 0 in a message is "none".
"""

from common.ports.partitions import (
    ACKS_ALL,
    NO_LEADER_EPOCH,
    AbortedTransaction,
    Append,
    AppendResult,
    FetchPartition,
    FetchQuery,
    FetchResult,
    LogDescription,
    LogId,
    OffsetQuery,
    OffsetResult,
    RecordError,
    Refusal,
)
from protos.partition.v1 import partition_pb2 as pb


def append_to_message(append_id: int, append: Append, acks: int) -> pb.Append:
    """acks=0 is asked for as acks=1: a refusal must close the client's connection (S-13)."""
    batch = append.batch
    return pb.Append(
        append_id=append_id,
        topic_id=append.log.topic_id,
        partition=append.log.partition,
        leader_epoch=_epoch_to_message(append.leader_epoch),
        acks=pb.ACKS_ALL if acks == ACKS_ALL else pb.ACKS_LEADER,
        batch=batch if isinstance(batch, bytes) else bytes(batch),
    )


def append_result_from_message(message: pb.AppendResult) -> AppendResult:
    if message.HasField("stored"):
        stored = message.stored
        return AppendResult(stored.base_offset, stored.log_append_time_ms, stored.log_start_offset)
    refused = message.refused
    return AppendResult(
        # An outcome that is neither stored nor a known refusal must never look like success.
        refusal=_refusal(refused.refusal) or Refusal.STORAGE_ERROR,
        message=refused.message or None,
        record_errors=[
            RecordError(one.batch_index, one.message or None) for one in refused.record_errors
        ],
        leader_epoch=refused.leader_epoch,
    )


def fetch_query_to_message(query: FetchQuery) -> pb.FetchRequest:
    return pb.FetchRequest(
        partitions=map(_fetch_partition_to_message, query.partitions),
        max_wait_ms=query.max_wait_ms,
        min_bytes=query.min_bytes,
        max_bytes=query.max_bytes,
        read_committed=query.read_committed,
    )


def fetch_result_from_message(message: pb.FetchResult) -> FetchResult:
    batches = message.batches  # read once: every access copies
    return FetchResult(
        records=[batches] if batches else [],
        high_watermark=message.high_watermark,
        last_stable_offset=message.last_stable_offset,
        log_start_offset=message.log_start_offset,
        leader_epoch=message.leader_epoch,
        aborted=_aborted(message),
        refusal=_refusal(message.refusal),
    )


def offset_query_to_message(query: OffsetQuery) -> pb.OffsetQuery:
    return pb.OffsetQuery(
        topic_id=query.log.topic_id,
        partition=query.log.partition,
        timestamp=query.timestamp,
        leader_epoch=_epoch_to_message(query.leader_epoch),
        read_committed=query.read_committed,
    )


def offset_result_from_message(message: pb.OffsetResult) -> OffsetResult:
    return OffsetResult(
        message.offset, message.timestamp, message.leader_epoch, _refusal(message.refusal)
    )


def log_to_message(log: LogId) -> pb.LogId:
    return pb.LogId(topic_id=log.topic_id, partition=log.partition)


def description_from_message(message: pb.LogDescription) -> LogDescription:
    return LogDescription(
        LogId(message.topic_id, message.partition),
        log_start_offset=message.log_start_offset,
        high_watermark=message.high_watermark,
        log_end_offset=message.log_end_offset,
        size_bytes=message.size_bytes,
        leader_epoch=message.leader_epoch,
        producer_count=message.producer_count,
        refusal=_refusal(message.refusal),
    )


def _fetch_partition_to_message(one: FetchPartition) -> pb.FetchPartition:
    return pb.FetchPartition(
        topic_id=one.log.topic_id,
        partition=one.log.partition,
        fetch_offset=one.fetch_offset,
        max_bytes=one.max_bytes,
        leader_epoch=_epoch_to_message(one.leader_epoch),
    )


def _epoch_to_message(leader_epoch: int) -> int | None:
    return None if leader_epoch == NO_LEADER_EPOCH else leader_epoch


def _refusal(number: int) -> Refusal | None:
    return Refusal(number) if number else None


def _aborted(message: pb.FetchResult) -> list[AbortedTransaction] | None:
    if not message.HasField("aborted"):
        return None
    return [
        AbortedTransaction(one.producer_id, one.first_offset)
        for one in message.aborted.transactions
    ]
