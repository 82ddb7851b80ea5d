from common.ports.partitions import (
    AbortedTransaction,
    FetchPartition,
    FetchQuery,
    FetchResult,
    Refusal,
)
from common.records.records import Record
from common.rpc.messages.fetch_owner import (
    encoded_fetch_response,
    encoded_pieces,
    fetch_pieces,
    fetch_query_from_message,
    fetch_result_to_message,
)
from protos.partition.v1 import partition_pb2 as pb
from tests.support.stores.partition_core import LOG, TOPIC_ID


def test_a_fetch_query():
    message = pb.FetchRequest(
        partitions=[
            pb.FetchPartition(
                topic_id=TOPIC_ID, partition=0, fetch_offset=5, max_bytes=6, leader_epoch=0
            )
        ],
        max_wait_ms=1,
        min_bytes=2,
        max_bytes=3,
        read_committed=True,
    )
    expected = FetchQuery([FetchPartition(LOG, 5, 6, 0)], 1, 2, 3, read_committed=True)
    assert fetch_query_from_message(message) == expected


def test_results_of_fetches():
    result = FetchResult([], 10, 9, 8, 7, aborted=[AbortedTransaction(1, 2)])
    message = fetch_result_to_message(result, records=[Record(3, 4, None, b"", ((b"\xff", None),))])
    assert (message.high_watermark, message.last_stable_offset) == (10, 9)
    assert (message.log_start_offset, message.leader_epoch) == (8, 7)
    assert message.aborted.transactions[0].producer_id == 1
    (record,) = message.records
    assert (record.offset, record.timestamp_ms, record.value) == (3, 4, b"")
    assert not record.HasField("key")
    # A name that is no text cannot be said in protobuf as it is.
    assert record.headers[0].key == "\N{REPLACEMENT CHARACTER}"
    refused = fetch_result_to_message(FetchResult(refusal=Refusal.NOT_OWNER))
    assert refused.refusal == pb.REFUSAL_NOT_OWNER
    assert not refused.HasField("aborted")


def test_any_protobuf_reads_an_encoded_answer_to_a_fetch():
    results = [
        FetchResult([b"some ", memoryview(b"batches")], 10, 9, 8, 7),
        FetchResult(refusal=Refusal.NOT_OWNER),
        FetchResult([b"x" * 300], aborted=[]),
    ]
    message = pb.FetchResponse.FromString(encoded_fetch_response(results))
    assert [one.batches for one in message.results] == [b"some batches", b"", b"x" * 300]
    assert message.results[0].high_watermark == 10
    assert message.results[1].refusal == pb.REFUSAL_NOT_OWNER
    assert message.results[2].HasField("aborted")


def pieces_of(results, *, bytes_max):
    pieces = [encoded_pieces([one]) for one in fetch_pieces(7, results, bytes_max=bytes_max)]
    messages = [pb.FetchStreamResponse.FromString(one) for one in pieces]
    return [piece for message in messages for piece in message.pieces]


def test_a_large_answer_is_cut_between_batches():
    first = [b"a" * 60, b"b" * 60, b"c" * 60]
    results = [
        FetchResult([*first], 10, 9, 8, 7),
        FetchResult(refusal=Refusal.NOT_OWNER),
        FetchResult([b"d" * 500], 20),
    ]
    pieces = pieces_of(results, bytes_max=130)
    assert [[one.batches[:1] for one in piece.results] for piece in pieces] == [
        [b"a"],
        [b"c", b"", b""],
        [b"d"],
    ]
    assert [piece.continues for piece in pieces] == [False, True, True]
    assert [piece.is_last for piece in pieces] == [False, False, True]
    assert {piece.fetch_id for piece in pieces} == {7}
    # What is said of a result besides its batches is said once.
    assert [one.high_watermark for piece in pieces for one in piece.results] == [10, 0, -1, 20, 0]
    assert b"".join(piece.results[0].batches for piece in pieces[:2]) == b"".join(first)
    # What has left need not stay in memory.
    assert not any(one.records for one in results)


def test_an_answer_without_batches_is_one_piece():
    (piece,) = pieces_of([FetchResult([], 5)] * 3, bytes_max=1)
    assert [one.high_watermark for one in piece.results] == [5, 5, 5]
    assert piece.is_last
    (piece,) = pieces_of([], bytes_max=1)
    assert piece.is_last


def test_pieces_of_several_answers_share_a_message():
    pieces = [next(fetch_pieces(number, [FetchResult([b"x"])])) for number in range(3)]
    message = pb.FetchStreamResponse.FromString(encoded_pieces(pieces))
    assert [piece.fetch_id for piece in message.pieces] == [0, 1, 2]
