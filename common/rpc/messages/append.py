"""Append in messages of partition.v1: requests and results, both ends of each.

Only translates. A request carries batches as clients sent them, or records that the owner encodes.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from common.ports.partitions import (
    ACKS_ALL,
    ACKS_LEADER,
    ACKS_NONE,
    NO_LEADER_EPOCH,
    Append,
    AppendResult,
    RecordError,
    Refusal,
)
from common.records.batch import NO_TIMESTAMP
from common.records.errors import CorruptRecords
from common.records.records import Record, write_batch
from common.rpc.messages.fields import REFUSALS, leader_epoch_from_message, log_from_message
from common.rpc.status import MalformedRequest
from common.runtime.gil import yielding_gil
from protos.partition.v1 import partition_pb2 as pb

_ACKS_TO_MESSAGE: Final = {
    ACKS_ALL: pb.ACKS_ALL,
    ACKS_LEADER: pb.ACKS_LEADER,
    # The gateway closes the connection of a client that expects no response when its append fails
    # (KafkaApis.handleProduceRequest). So it needs the result, which ACKS_NONE omits.
    ACKS_NONE: pb.ACKS_LEADER,
}
_ACKS_FROM_MESSAGE: Final = {
    pb.ACKS_UNSPECIFIED: ACKS_ALL,
    pb.ACKS_ALL: ACKS_ALL,
    pb.ACKS_LEADER: ACKS_LEADER,
    pb.ACKS_NONE: ACKS_NONE,
}
#: Bound of the records of one append: encoding them, record by record, takes seconds of CPU time.
_RECORDS_BYTES_MAX: Final = 16 << 20
#: Records, and bytes of them, that the event loop encodes itself: a few milliseconds of work. A
#: thread encodes the appends of a message that has more.
_INLINE_RECORDS_MAX: Final = 1000
_INLINE_BYTES_MAX: Final = 64 << 10


def append_request(appends: Iterable[tuple[int, Append, int]]) -> pb.AppendRequest:
    """Makes a request of append ids, appends and their acks.

    Copies the batches, since protobuf accepts only `bytes`. Elements are filled in place: adding a
    finished element copies it once more.
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
            acks=_ACKS_TO_MESSAGE[acks],
            batch=bytes(append.batch),
        )
    return message


def acks_from_message(message: pb.Append) -> int:
    """Raises `MalformedRequest` where the number is not one of `Acks`."""
    try:
        return _ACKS_FROM_MESSAGE[message.acks]
    except KeyError:
        raise MalformedRequest(f"there is no Acks {message.acks}") from None


def append_from_message(message: pb.Append, now_ms: int) -> Append:
    """Translates one append and encodes its records; `now_ms` stamps records without a time.

    Raises:
        MalformedRequest: it has a batch and records, too many bytes of records, records with
            times that no batch can hold, or a topic id of another size.
    """
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


def needs_thread(messages: Iterable[pb.Append]) -> bool:
    """True if encoding the records of these appends would block the event loop for too long."""
    typed = [message for message in messages if message.records]
    if not typed:
        return False
    return (
        sum(len(message.records) for message in typed) > _INLINE_RECORDS_MAX
        or sum(message.ByteSize() for message in typed) > _INLINE_BYTES_MAX
    )


async def appends_from_messages(messages: Sequence[pb.Append], now_ms: int) -> list[Append]:
    """Translates the appends of one call, in a thread if `needs_thread`.

    Raises:
        MalformedRequest: `append_from_message` rejects one of them.
    """

    def translate() -> list[Append]:
        return [append_from_message(message, now_ms) for message in messages]

    return await asyncio.to_thread(translate) if needs_thread(messages) else translate()


def append_response(results: Iterable[tuple[int, AppendResult]]) -> pb.AppendResponse:
    """Makes a response of append ids and their results, filled in place as in `append_request`."""
    message = pb.AppendResponse()
    for append_id, result in results:
        added = message.results.add(append_id=append_id)
        if result.refusal is None:
            outcome = added.stored
            outcome.base_offset = result.base_offset
            outcome.log_append_time_ms = result.log_append_time_ms
            outcome.log_start_offset = result.log_start_offset
        else:
            added.refused.CopyFrom(_refused(result, result.refusal))
    return message


def append_result_from_message(message: pb.AppendResult) -> AppendResult:
    if message.HasField("stored"):
        outcome = message.stored
        return AppendResult(
            outcome.base_offset, outcome.log_append_time_ms, outcome.log_start_offset
        )
    refused = message.refused
    return AppendResult(
        refusal=Refusal(refused.refusal),
        message=refused.message or None,
        record_errors=tuple(
            RecordError(error.batch_index, error.message or None) for error in refused.record_errors
        ),
        leader_epoch=refused.leader_epoch,
    )


def _refused(result: AppendResult, refusal: Refusal) -> pb.Refused:
    return pb.Refused(
        refusal=REFUSALS[refusal],
        message=result.message or "",
        record_errors=[
            pb.RecordError(batch_index=error.batch_index, message=error.message or "")
            for error in result.record_errors
        ],
        leader_epoch=result.leader_epoch,
    )


def _batch(messages: Sequence[pb.Record], now_ms: int) -> bytes:
    """Raises `CorruptRecords` where a time is below -1 or the times are too far apart."""
    # In a thread, other threads get the interpreter between records; a few records need no pause.
    return write_batch(
        _record(index, message, now_ms) for index, message in enumerate(yielding_gil(messages))
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
