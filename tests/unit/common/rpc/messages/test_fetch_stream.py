import random
from copy import deepcopy

import pytest
from google.protobuf.message import DecodeError

from common.ports.partitions import FetchResult, Refusal
from common.rpc.messages.fetch import fetch_result_to_message
from common.rpc.messages.fetch_stream import (
    decode_stream_response,
    encode_pieces,
    encode_stream_response,
)
from protos.partition.v1 import partition_pb2 as pb


@pytest.mark.parametrize("size", [10, 100_000], ids=["small", "large"])
def test_response_arrives_as_it_was_sent(size):
    results = [FetchResult([b"x" * size], 10, 9, 8, 7), FetchResult(refusal=Refusal.MOVING)]
    sent = [deepcopy(results) for _ in range(2)]
    data = encode_stream_response([*encode_pieces(5, sent[0]), *encode_pieces(6, sent[1])])
    pieces = decode_stream_response(data)
    assert [(piece.fetch_id, piece.results) for piece in pieces] == [(5, results), (6, results)]
    assert all(piece.is_last and not piece.continues for piece in pieces)
    with pytest.raises(DecodeError):
        decode_stream_response(data[:-1])


def pieces_of(results, *, bytes_max):
    encoded = [
        encode_stream_response([piece]) for piece in encode_pieces(7, results, bytes_max=bytes_max)
    ]
    messages = [pb.FetchStreamResponse.FromString(data) for data in encoded]
    return [piece for message in messages for piece in message.pieces]


def test_large_response_is_cut_between_batches():
    first = [b"a" * 60, b"b" * 60, b"c" * 60]
    results = [
        FetchResult([*first], 10, 9, 8, 7),
        FetchResult(refusal=Refusal.NOT_OWNER),
        FetchResult([b"d" * 500], 20),
    ]
    pieces = pieces_of(results, bytes_max=130)
    assert [[result.batches[:1] for result in piece.results] for piece in pieces] == [
        [b"a"],
        [b"c", b"", b""],
        [b"d"],
    ]
    assert [piece.continues for piece in pieces] == [False, True, True]
    assert [piece.is_last for piece in pieces] == [False, False, True]
    assert {piece.fetch_id for piece in pieces} == {7}
    # The fields of a result besides its batches are sent once.
    watermarks = [result.high_watermark for piece in pieces for result in piece.results]
    assert watermarks == [10, 0, -1, 20, 0]
    assert b"".join(piece.results[0].batches for piece in pieces[:2]) == b"".join(first)
    # Batches that have been sent are released.
    assert not any(result.records for result in results)


def plain_pieces(results, bytes_max):
    """The records of each result in each piece, cut batch by batch."""
    pieces, size = [[]], 0
    for result in results:
        pieces[-1].append(b"")
        head_size = len(fetch_result_to_message(result).SerializeToString())
        for batch in result.records:
            if size and size + len(batch) > bytes_max:
                pieces.append([b""])
                size = head_size = 0
            pieces[-1][-1] += batch
            size += len(batch)
        size += head_size
    return pieces


@pytest.mark.parametrize("bytes_max", [1, 10, 30, 80, 10_000])
def test_results_that_fit_as_a_whole_are_cut_as_batch_by_batch(bytes_max):
    rng = random.Random(bytes_max)
    for _ in range(50):
        results = [
            FetchResult([rng.randbytes(rng.randrange(1, 12)) for _ in range(rng.randrange(6))], 5)
            for _ in range(rng.randrange(1, 6))
        ]
        expected = plain_pieces(results, bytes_max)
        pieces = pieces_of(results, bytes_max=bytes_max)
        assert [[result.batches for result in piece.results] for piece in pieces] == expected
        assert not any(result.records for result in results)


def test_response_without_batches_is_one_piece():
    (piece,) = pieces_of([FetchResult([], 5)] * 3, bytes_max=1)
    assert [result.high_watermark for result in piece.results] == [5, 5, 5]
    assert piece.is_last
    (piece,) = pieces_of([], bytes_max=1)
    assert piece.is_last


def test_pieces_of_several_responses_share_a_message():
    pieces = [next(encode_pieces(number, [FetchResult([b"x"])])) for number in range(3)]
    message = pb.FetchStreamResponse.FromString(encode_stream_response(pieces))
    assert [piece.fetch_id for piece in message.pieces] == [0, 1, 2]
