"""Fetch in messages of partition.v1: requests and responses, both ends of each.

Batches do not pass through protobuf, which copies each of them four times (see `wire_format`): a
result is a protobuf message without its batches, and the batches are joined to it as bytes.
"""

from collections.abc import Sequence
from typing import Final

from common.ports.partitions import AbortedTransaction, FetchPartition, FetchQuery, FetchResult
from common.records.records import Record
from common.rpc.messages.fields import (
    REFUSALS,
    leader_epoch_from_message,
    leader_epoch_to_message,
    log_from_message,
    refusal_from_message,
)
from common.rpc.wire_format import delimited_head, split
from protos.partition.v1 import partition_pb2 as pb

#: The field `results`, which has the same number in FetchResponse and in FetchPiece.
_RESULTS: Final = pb.FetchPiece.RESULTS_FIELD_NUMBER

#: Consecutive bytes of one message, not joined yet.
Chunks = list[bytes | memoryview]


def fetch_query_to_message(query: FetchQuery) -> pb.FetchRequest:
    return pb.FetchRequest(
        partitions=[
            pb.FetchPartition(
                topic_id=partition.log.topic_id,
                partition=partition.log.partition,
                fetch_offset=partition.fetch_offset,
                max_bytes=partition.max_bytes,
                leader_epoch=leader_epoch_to_message(partition.leader_epoch),
            )
            for partition in query.partitions
        ],
        max_wait_ms=query.max_wait_ms,
        min_bytes=query.min_bytes,
        max_bytes=query.max_bytes,
        read_committed=query.read_committed,
    )


def fetch_query_from_message(message: pb.FetchRequest) -> FetchQuery:
    """Raises `MalformedRequest` where a topic id has another size than 16 bytes."""
    return FetchQuery(
        [
            FetchPartition(
                log_from_message(partition),
                partition.fetch_offset,
                partition.max_bytes,
                leader_epoch_from_message(partition),
            )
            for partition in message.partitions
        ],
        message.max_wait_ms,
        message.min_bytes,
        message.max_bytes,
        message.read_committed,
    )


def encode_fetch_response(results: Sequence[FetchResult]) -> bytes:
    """Returns an encoded FetchResponse; copies the batches once."""
    chunks: Chunks = []
    for result in results:
        head = fetch_result_to_message(result).SerializeToString()
        add_result(chunks, head, result.records)
    return b"".join(chunks)


def decode_fetch_response(data: bytes) -> list[FetchResult]:
    """Returns the results of an encoded FetchResponse; their records are views of `data`.

    Raises:
        DecodeError: `data` is not a FetchResponse.
    """
    _, results = split(memoryview(data), _RESULTS)
    return [decode_result(result) for result in results]


def add_result(chunks: Chunks, head: bytes, batches: Chunks) -> None:
    """Appends an element of `results`: the encoded FetchResult `head`, and its `batches`."""
    size = sum(map(len, batches))
    if size:
        head += delimited_head(pb.FetchResult.BATCHES_FIELD_NUMBER, size)
    chunks.append(delimited_head(_RESULTS, len(head) + size) + head)
    chunks += batches


def decode_result(data: memoryview) -> FetchResult:
    """Raises `DecodeError` where `data` is not a FetchResult."""
    rest, batches = split(data, pb.FetchResult.BATCHES_FIELD_NUMBER)
    # protobuf takes the last occurrence of a field that is not repeated.
    return fetch_result_from_message(
        pb.FetchResult.FromString(rest), batches[-1] if batches else b""
    )


def fetch_result_to_message(
    result: FetchResult, *, records: Sequence[Record] = ()
) -> pb.FetchResult:
    """Translates all but the batches; `records` are decoded, for callers without a codec."""
    return pb.FetchResult(
        refusal=REFUSALS[result.refusal],
        high_watermark=result.high_watermark,
        last_stable_offset=result.last_stable_offset,
        log_start_offset=result.log_start_offset,
        leader_epoch=result.leader_epoch,
        records=map(_record_to_message, records),
        aborted=_aborted_to_message(result),
    )


def fetch_result_from_message(message: pb.FetchResult, batches: bytes | memoryview) -> FetchResult:
    aborted = message.aborted.transactions if message.HasField("aborted") else None
    return FetchResult(
        records=[batches] if batches else [],
        high_watermark=message.high_watermark,
        last_stable_offset=message.last_stable_offset,
        log_start_offset=message.log_start_offset,
        leader_epoch=message.leader_epoch,
        aborted=None
        if aborted is None
        else [AbortedTransaction(each.producer_id, each.first_offset) for each in aborted],
        refusal=refusal_from_message(message.refusal),
    )


def _aborted_to_message(result: FetchResult) -> pb.AbortedTransactions | None:
    if result.aborted is None:
        return None
    return pb.AbortedTransactions(
        transactions=[
            pb.AbortedTransaction(producer_id=each.producer_id, first_offset=each.first_offset)
            for each in result.aborted
        ]
    )


def _record_to_message(record: Record) -> pb.Record:
    return pb.Record(
        offset=record.offset,
        timestamp_ms=record.timestamp,
        key=record.key,
        value=record.value,
        # Kafka's header keys may be any bytes; protobuf strings must be UTF-8.
        headers=[pb.Header(key=k.decode(errors="replace"), value=v) for k, v in record.headers],
    )
