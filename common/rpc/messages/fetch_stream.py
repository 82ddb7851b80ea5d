"""Responses of FetchStream in messages of partition.v1, both ends of each.

A response leaves in pieces of at most about a megabyte: the caller takes the first while the next
is encoded, and a small response does not wait until all of a large one has left. A megabyte is what
consumers request of a partition by default, and gRPC costs by the message.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from common.ports.partitions import FetchResult
from common.rpc.messages.fetch import (
    Chunks,
    add_result,
    decode_result,
    fetch_result_from_message,
    fetch_result_to_message,
)
from common.rpc.wire_format import delimited_head, split
from protos.partition.v1 import partition_pb2 as pb

#: Bound of one piece in bytes; a batch that is larger is a piece of its own.
PIECE_BYTES: Final = 1 << 20

#: Messages up to this size are decoded by protobuf: copying their batches costs less than `split`.
_SMALL_BYTES: Final = 8 << 10

_PIECES: Final = pb.FetchStreamResponse.PIECES_FIELD_NUMBER


class FetchPiece(NamedTuple):
    """A part of a response, as in the proto."""

    fetch_id: int
    results: list[FetchResult]
    continues: bool
    is_last: bool
    ends_waits: bool


def encode_pieces(
    fetch_id: int, results: Sequence[FetchResult], *, bytes_max: int = PIECE_BYTES
) -> Iterator[Chunks]:
    """Yields the response to one fetch as encoded FetchPieces.

    Removes the batches from `results`, so that their memory is free once a piece has left.
    """
    chunks: Chunks = []
    size = 0
    continues = False
    for result in results:
        head = fetch_result_to_message(result).SerializeToString()
        run: Chunks = []
        records_bytes = sum(map(len, result.records))
        if size + records_bytes <= bytes_max:
            # Most results fit as a whole, and may have hundreds of batches.
            run, result.records = result.records, run
            size += records_bytes
        for batch in _removed(result.records):
            if size and size + len(batch) > bytes_max:
                add_result(chunks, head, run)
                yield _piece(fetch_id, chunks, continues=continues)
                chunks, size, continues, head, run = [], 0, True, b"", []
            run.append(batch)
            size += len(batch)
        add_result(chunks, head, run)
        size += len(head)
    yield _piece(fetch_id, chunks, continues=continues, is_last=True)


def encode_stream_response(pieces: Sequence[Chunks]) -> bytes:
    """Returns an encoded FetchStreamResponse of encoded pieces; copies the batches once."""
    chunks: Chunks = []
    for piece in pieces:
        chunks.append(delimited_head(_PIECES, sum(map(len, piece))))
        chunks += piece
    return b"".join(chunks)


def decode_stream_response(data: bytes) -> list[FetchPiece]:
    """Returns the pieces of an encoded FetchStreamResponse; large records are views of `data`.

    Raises:
        DecodeError: `data` is not a FetchStreamResponse.
    """
    if len(data) <= _SMALL_BYTES:
        return [
            _piece_from_message(
                piece,
                [fetch_result_from_message(result, result.batches) for result in piece.results],
            )
            for piece in pb.FetchStreamResponse.FromString(data).pieces
        ]
    _, pieces = split(memoryview(data), _PIECES)
    return [_decode_piece(piece) for piece in pieces]


def _removed(batches: Chunks) -> Iterator[bytes | memoryview]:
    batches.reverse()
    while batches:
        yield batches.pop()


def _piece(fetch_id: int, results: Chunks, *, continues: bool, is_last: bool = False) -> Chunks:
    head = pb.FetchPiece(
        fetch_id=fetch_id, continues=continues, is_last=is_last, ends_waits=is_last
    )
    return [head.SerializeToString(), *results]


def _decode_piece(data: memoryview) -> FetchPiece:
    rest, results = split(data, pb.FetchPiece.RESULTS_FIELD_NUMBER)
    return _piece_from_message(pb.FetchPiece.FromString(rest), [*map(decode_result, results)])


def _piece_from_message(message: pb.FetchPiece, results: list[FetchResult]) -> FetchPiece:
    return FetchPiece(
        message.fetch_id, results, message.continues, message.is_last, message.ends_waits
    )
