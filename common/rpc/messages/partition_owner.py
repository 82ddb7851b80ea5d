"""partition.v1 messages to and from the port's types. Only translates.

Refusals have the same numbers on both sides; 0 in a message is "none".
"""

import asyncio
from collections.abc import Iterable, Sequence

from common.ports.partitions import (
    ACKS_ALL,
    ACKS_LEADER,
    ACKS_NONE,
    NO_LEADER_EPOCH,
    Append,
    AppendResult,
    EpochEndOffset,
    EpochQuery,
    LogDescription,
    LogId,
    OffsetQuery,
    OffsetResult,
    Refusal,
)
from common.records.batch import NO_TIMESTAMP
from common.records.errors import CorruptRecords
from common.records.records import Record, write_batch
from common.rpc.status import MalformedRequest
from common.runtime.gil import yielding_gil
from protos.partition.v1 import partition_pb2 as pb

_ACKS = {
    pb.ACKS_UNSPECIFIED: ACKS_ALL,
    pb.ACKS_ALL: ACKS_ALL,
    pb.ACKS_LEADER: ACKS_LEADER,
    pb.ACKS_NONE: ACKS_NONE,
}
#: By name, though the numbers are the same: a refusal that the proto lacks fails at import.
REFUSALS: dict[Refusal | None, pb.Refusal] = {
    None: pb.REFUSAL_UNSPECIFIED,
    **{one: getattr(pb, f"REFUSAL_{one.name}") for one in Refusal},
}
_TOPIC_ID_BYTES = 16
#: Records are encoded one by one: as much as this keeps the service busy long enough.
_RECORDS_BYTES_MAX = 16 << 20
#: Appends of one message that have together more records, or more bytes of them, are encoded in a
#: thread: they would stop the event loop for more than some milliseconds.
_ENCODED_AT_ONCE = 1000
_ENCODED_BYTES_AT_ONCE = 64 << 10


def log_from_message(
    message: pb.Append | pb.FetchPartition | pb.OffsetQuery | pb.EpochQuery | pb.LogId,
) -> LogId:
    topic_id = message.topic_id
    if len(topic_id) != _TOPIC_ID_BYTES:
        raise MalformedRequest(f"topic_id must have 16 bytes, not {len(topic_id)}")
    return LogId(topic_id, message.partition)


def acks_from_message(message: pb.Append) -> int:
    try:
        return _ACKS[message.acks]
    except KeyError:
        raise MalformedRequest(f"there is no Acks {message.acks}") from None


def append_from_message(message: pb.Append, now_ms: int) -> Append:
    """`now_ms` is the time of records that carry none. Raises `MalformedRequest`."""
    batch: bytes = message.batch
    if message.records:
        if batch:
            raise MalformedRequest("an append has a batch or records, not both")
        if message.ByteSize() > _RECORDS_BYTES_MAX:
            raise MalformedRequest(f"records of one append may have {_RECORDS_BYTES_MAX} bytes")
        try:
            batch = _batch(message.records, now_ms)
        except CorruptRecords as error:
            raise MalformedRequest(f"the records of append {message.append_id}: {error}") from error
    return Append(log_from_message(message), batch, leader_epoch_from_message(message))


def take_long_to_encode(messages: Iterable[pb.Append]) -> bool:
    """Returns whether the records of these appends would stop the event loop for long."""
    typed = [one for one in messages if one.records]
    if not typed:
        return False
    return (
        sum(len(one.records) for one in typed) > _ENCODED_AT_ONCE
        or sum(one.ByteSize() for one in typed) > _ENCODED_BYTES_AT_ONCE
    )


async def appends_from(messages: Sequence[pb.Append], now_ms: int) -> list[Append]:
    """As `append_from_message`, for all of one call, in a thread where that takes long.

    Raises:
        MalformedRequest: one of them is.
    """

    def translated() -> list[Append]:
        return [append_from_message(one, now_ms) for one in messages]

    is_long = take_long_to_encode(messages)
    return await asyncio.to_thread(translated) if is_long else translated()


def leader_epoch_from_message(message: pb.Append | pb.FetchPartition | pb.OffsetQuery) -> int:
    return message.leader_epoch if message.HasField("leader_epoch") else NO_LEADER_EPOCH


def _batch(messages: Sequence[pb.Record], now_ms: int) -> bytes:
    """Raises `CorruptRecords`: a time is negative and not -1, or they are too far apart."""
    # Many are encoded in a thread (`appends_from`), and few are no reason to pause.
    return write_batch(
        _record(index, one, now_ms) for index, one in enumerate(yielding_gil(messages))
    )


def _record(index: int, message: pb.Record, now_ms: int) -> Record:
    if message.timestamp_ms < NO_TIMESTAMP:
        raise CorruptRecords(f"timestamp_ms of record {index} is {message.timestamp_ms}")
    return Record(
        index,
        message.timestamp_ms if message.HasField("timestamp_ms") else now_ms,
        message.key if message.HasField("key") else None,
        message.value if message.HasField("value") else None,
        tuple((h.key.encode(), h.value if h.HasField("value") else None) for h in message.headers),
    )


def append_response(results: Iterable[tuple[int, AppendResult]]) -> pb.AppendResponse:
    """Append ids and their results. Filled in place: made apart, each would be copied once more."""
    message = pb.AppendResponse()
    for append_id, result in results:
        added = message.results.add(append_id=append_id)
        if result.refusal is None:
            stored = added.stored
            stored.base_offset = result.base_offset
            stored.log_append_time_ms = result.log_append_time_ms
            stored.log_start_offset = result.log_start_offset
        else:
            added.refused.CopyFrom(_refused(result, result.refusal))
    return message


def _refused(result: AppendResult, refusal: Refusal) -> pb.Refused:
    return pb.Refused(
        refusal=REFUSALS[refusal],
        message=result.message or "",
        record_errors=[
            pb.RecordError(batch_index=one.batch_index, message=one.message or "")
            for one in result.record_errors
        ],
        leader_epoch=result.leader_epoch,
    )


def offset_queries_from_message(message: pb.ListOffsetsRequest) -> list[OffsetQuery]:
    return [
        OffsetQuery(
            log_from_message(one), one.timestamp, leader_epoch_from_message(one), one.read_committed
        )
        for one in message.queries
    ]


def offset_result_to_message(result: OffsetResult) -> pb.OffsetResult:
    return pb.OffsetResult(
        refusal=REFUSALS[result.refusal],
        offset=result.offset,
        timestamp=result.timestamp,
        leader_epoch=result.leader_epoch,
    )


def epoch_queries_from_message(message: pb.OffsetsForLeaderEpochRequest) -> list[EpochQuery]:
    return [
        EpochQuery(
            log_from_message(one),
            one.leader_epoch,
            one.current_leader_epoch if one.HasField("current_leader_epoch") else NO_LEADER_EPOCH,
        )
        for one in message.queries
    ]


def epoch_end_offset_to_message(result: EpochEndOffset) -> pb.EpochEndOffset:
    return pb.EpochEndOffset(
        refusal=REFUSALS[result.refusal],
        leader_epoch=result.leader_epoch,
        end_offset=result.end_offset,
    )


def description_to_message(one: LogDescription) -> pb.LogDescription:
    return pb.LogDescription(
        topic_id=one.log.topic_id,
        partition=one.log.partition,
        refusal=REFUSALS[one.refusal],
        log_start_offset=one.log_start_offset,
        high_watermark=one.high_watermark,
        log_end_offset=one.log_end_offset,
        size_bytes=one.size_bytes,
        leader_epoch=one.leader_epoch,
        producer_count=one.producer_count,
        uncleanable=one.uncleanable,
    )
