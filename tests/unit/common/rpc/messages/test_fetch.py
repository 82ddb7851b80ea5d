import pytest
from google.protobuf.message import DecodeError

from common.ports.partitions import (
    AbortedTransaction,
    FetchPartition,
    FetchQuery,
    FetchResult,
    LogId,
    Refusal,
)
from common.records.records import Record
from common.rpc.messages.fetch import (
    decode_fetch_response,
    encode_fetch_response,
    fetch_query_from_message,
    fetch_query_to_message,
    fetch_result_to_message,
)
from protos.partition.v1 import partition_pb2 as pb

TOPIC_ID = b"sixteen bytes id"
LOG = LogId(TOPIC_ID, 3)


def test_query_arrives_as_it_was_sent():
    query = FetchQuery(
        [FetchPartition(LOG, 5, 100, 2), FetchPartition(LOG, 0, 1)], 500, 1, 1000, True
    )
    assert fetch_query_from_message(fetch_query_to_message(query)) == query


def test_query_has_the_fields_of_the_proto():
    message = pb.FetchRequest(
        partitions=[
            pb.FetchPartition(
                topic_id=TOPIC_ID, partition=3, fetch_offset=5, max_bytes=6, leader_epoch=0
            )
        ],
        max_wait_ms=1,
        min_bytes=2,
        max_bytes=3,
        read_committed=True,
    )
    expected = FetchQuery([FetchPartition(LOG, 5, 6, 0)], 1, 2, 3, read_committed=True)
    assert fetch_query_from_message(message) == expected


@pytest.mark.parametrize(
    "result",
    [
        FetchResult([b"batches"], 5, 4, 1, 7),
        FetchResult(refusal=Refusal.OFFSET_OUT_OF_RANGE),
        FetchResult(aborted=[]),
        FetchResult(aborted=[AbortedTransaction(1, 2)]),
    ],
    ids=str,
)
def test_result_arrives_as_it_was_sent(result):
    assert decode_fetch_response(encode_fetch_response([result, result])) == [result, result]


def test_result_has_the_fields_of_the_proto():
    result = FetchResult([], 10, 9, 8, 7, aborted=[AbortedTransaction(1, 2)])
    message = fetch_result_to_message(result, records=[Record(3, 4, None, b"", ((b"\xff", None),))])
    assert (message.high_watermark, message.last_stable_offset) == (10, 9)
    assert (message.log_start_offset, message.leader_epoch) == (8, 7)
    assert message.aborted.transactions[0].producer_id == 1
    (record,) = message.records
    assert (record.offset, record.timestamp_ms, record.value) == (3, 4, b"")
    assert not record.HasField("key")
    # A header key that is not UTF-8 does not fit into a protobuf string.
    assert record.headers[0].key == "\N{REPLACEMENT CHARACTER}"
    refused = fetch_result_to_message(FetchResult(refusal=Refusal.NOT_OWNER))
    assert refused.refusal == pb.REFUSAL_NOT_OWNER
    assert not refused.HasField("aborted")


def test_protobuf_decodes_an_encoded_response():
    results = [
        FetchResult([b"some ", memoryview(b"batches")], 10, 9, 8, 7),
        FetchResult(refusal=Refusal.NOT_OWNER),
        FetchResult([b"x" * 300], aborted=[]),
    ]
    message = pb.FetchResponse.FromString(encode_fetch_response(results))
    assert [result.batches for result in message.results] == [b"some batches", b"", b"x" * 300]
    assert message.results[0].high_watermark == 10
    assert message.results[1].refusal == pb.REFUSAL_NOT_OWNER
    assert message.results[2].HasField("aborted")


def test_response_encoded_by_protobuf_is_decoded():
    result = pb.FetchResult(batches=b"batches", high_watermark=5)
    data = pb.FetchResponse(results=[result, pb.FetchResult()]).SerializeToString()
    first, second = decode_fetch_response(data)
    assert (first.records, first.high_watermark) == ([b"batches"], 5)
    assert second.records == []


def test_truncated_response_is_a_decode_error():
    data = encode_fetch_response([FetchResult([b"batches"], 5)])
    for end in range(1, len(data)):
        with pytest.raises(DecodeError):
            decode_fetch_response(data[:end])
