"""Fetch in partition.v1 messages: queries from them, and answers to them.

Batches do not go through protobuf (see `wire_format`), and an answer on a stream leaves in pieces:
the caller takes the first while the next is made, and nobody waits behind all of a large answer.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from common.ports.partitions import FetchPartition, FetchQuery, FetchResult
from common.records.records import Record
from common.rpc.messages.partition_owner import (
    REFUSALS,
    leader_epoch_from_message,
    log_from_message,
)
from common.rpc.wire_format import delimited_head
from protos.partition.v1 import partition_pb2 as pb

#: A piece of an answer has about so many bytes at most, save where one batch has more.
PIECE_BYTES: Final = 512 << 10

#: The number of `results`, in FetchResponse and in FetchPiece.
_RESULTS: Final = pb.FetchPiece.RESULTS_FIELD_NUMBER
_PIECES: Final = pb.FetchStreamResponse.PIECES_FIELD_NUMBER

#: Bytes that are sent one after the other.
Chunks = list[bytes | memoryview]


def fetch_query_from_message(message: pb.FetchRequest) -> FetchQuery:
    return FetchQuery(
        [
            FetchPartition(
                log_from_message(one),
                one.fetch_offset,
                one.max_bytes,
                leader_epoch_from_message(one),
            )
            for one in message.partitions
        ],
        message.max_wait_ms,
        message.min_bytes,
        message.max_bytes,
        message.read_committed,
    )


def encoded_fetch_response(results: Sequence[FetchResult]) -> bytes:
    """A FetchResponse as bytes, with the batches copied once."""
    chunks: Chunks = []
    for result in results:
        head = fetch_result_to_message(result).SerializeToString()
        _add_result(chunks, head, result.records)
    return b"".join(chunks)


def fetch_pieces(
    fetch_id: int, results: Sequence[FetchResult], *, bytes_max: int = PIECE_BYTES
) -> Iterator[Chunks]:
    """The answer to a call on a stream as encoded FetchPieces, one after the other.

    Takes the batches out of `results`, so that those that have left need not stay in memory.
    """
    chunks: Chunks = []
    size = 0
    continues = False
    for result in results:
        head = fetch_result_to_message(result).SerializeToString()
        run: Chunks = []
        for batch in _taken_out(result.records):
            if size and size + len(batch) > bytes_max:
                _add_result(chunks, head, run)
                yield _piece(fetch_id, chunks, continues=continues)
                chunks, size, continues, head, run = [], 0, True, b"", []
            run.append(batch)
            size += len(batch)
        _add_result(chunks, head, run)
        size += len(head)
    yield _piece(fetch_id, chunks, continues=continues, is_last=True)


def _taken_out(batches: Chunks) -> Iterator[bytes | memoryview]:
    batches.reverse()
    while batches:
        yield batches.pop()


def encoded_pieces(pieces: Sequence[Chunks]) -> bytes:
    """A FetchStreamResponse as bytes."""
    chunks: Chunks = []
    for piece in pieces:
        chunks.append(delimited_head(_PIECES, sum(map(len, piece))))
        chunks += piece
    return b"".join(chunks)


def _piece(fetch_id: int, results: Chunks, *, continues: bool, is_last: bool = False) -> Chunks:
    head = pb.FetchPiece(
        fetch_id=fetch_id, continues=continues, is_last=is_last, ends_waits=is_last
    )
    return [head.SerializeToString(), *results]


def _add_result(chunks: Chunks, head: bytes, batches: Chunks) -> None:
    """Adds a FetchResult that is `head`, encoded, and `batches`, as an element of `results`."""
    size = sum(map(len, batches))
    if size:
        head += delimited_head(pb.FetchResult.BATCHES_FIELD_NUMBER, size)
    chunks.append(delimited_head(_RESULTS, len(head) + size) + head)
    chunks += batches


def fetch_result_to_message(
    result: FetchResult, *, records: Sequence[Record] = ()
) -> pb.FetchResult:
    """All but the batches; `records` are what the caller made of them."""
    return pb.FetchResult(
        refusal=REFUSALS[result.refusal],
        high_watermark=result.high_watermark,
        last_stable_offset=result.last_stable_offset,
        log_start_offset=result.log_start_offset,
        leader_epoch=result.leader_epoch,
        records=map(_record_to_message, records),
        aborted=_aborted(result),
    )


def _aborted(result: FetchResult) -> pb.AbortedTransactions | None:
    if result.aborted is None:
        return None
    return pb.AbortedTransactions(
        transactions=[
            pb.AbortedTransaction(producer_id=one.producer_id, first_offset=one.first_offset)
            for one in result.aborted
        ]
    )


def _record_to_message(record: Record) -> pb.Record:
    return pb.Record(
        offset=record.offset,
        timestamp_ms=record.timestamp,
        key=record.key,
        value=record.value,
        # Kafka does not promise text; protobuf asks for it.
        headers=[pb.Header(key=k.decode(errors="replace"), value=v) for k, v in record.headers],
    )
