from copy import deepcopy

import pytest
from google.protobuf.message import DecodeError

from common.ports.partitions import (
    ACKS_ALL,
    ACKS_LEADER,
    ACKS_NONE,
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
from common.rpc.messages.fetch_owner import (
    encoded_fetch_response,
    encoded_pieces,
    fetch_query_from_message,
)
from common.rpc.messages.fetch_owner import fetch_pieces as pieces_made
from common.rpc.messages.partition_caller import (
    append_request,
    append_result_from_message,
    decoded_fetch_response,
    descriptions_from_message,
    fetch_pieces,
    fetch_query_to_message,
    logs_to_message,
    offset_queries_to_message,
    offset_results_from_message,
)
from common.rpc.messages.partition_owner import (
    acks_from_message,
    append_from_message,
    append_response,
    description_to_message,
    log_from_message,
    offset_queries_from_message,
    offset_result_to_message,
)
from protos.partition.v1 import partition_pb2 as pb

LOG = LogId(b"sixteen bytes id", 3)

# Each test sends something through both sides' translations: what arrives is what was sent.


@pytest.mark.parametrize("epoch", [-1, 0, 7])
@pytest.mark.parametrize("batch", [b"bytes", memoryview(b"a view")], ids=["bytes", "view"])
def test_an_append(epoch, batch):
    (message,) = append_request([(5, Append(LOG, batch, epoch), ACKS_ALL)]).appends
    assert message.append_id == 5
    assert append_from_message(message, 0) == Append(LOG, bytes(batch), epoch)


@pytest.mark.parametrize(
    ("acks", "arrives"),
    [(ACKS_ALL, ACKS_ALL), (ACKS_LEADER, ACKS_LEADER), (ACKS_NONE, ACKS_LEADER)],
)
def test_acks(acks, arrives):
    (message,) = append_request([(5, Append(LOG, b"x"), acks)]).appends
    assert acks_from_message(message) == arrives


@pytest.mark.parametrize(
    "result",
    [
        AppendResult(0, -1, 0),
        AppendResult(7, 1_700_000_000_000, 3),
        *(AppendResult(refusal=one, leader_epoch=4) for one in Refusal),
        AppendResult(
            refusal=Refusal.INVALID_RECORD,
            message="words",
            record_errors=(RecordError(2, "no key"), RecordError(3)),
        ),
    ],
    ids=str,
)
def test_an_append_s_result(result):
    (message,) = append_response([(1, result)]).results
    assert append_result_from_message(message) == result


def test_a_fetch_query():
    query = FetchQuery(
        [FetchPartition(LOG, 5, 100, 2), FetchPartition(LOG, 0, 1)], 500, 1, 1000, True
    )
    assert fetch_query_from_message(fetch_query_to_message(query)) == query


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
def test_fetch_results(result):
    assert decoded_fetch_response(encoded_fetch_response([result, result])) == [result, result]


@pytest.mark.parametrize("size", [10, 100_000], ids=["small", "large"])
def test_pieces_of_an_answer_on_a_stream(size):
    results = [FetchResult([b"x" * size], 10, 9, 8, 7), FetchResult(refusal=Refusal.MOVING)]
    sent = [deepcopy(results) for _ in range(2)]
    data = encoded_pieces([*pieces_made(5, sent[0]), *pieces_made(6, sent[1])])
    pieces = fetch_pieces(data)
    assert [(one.fetch_id, one.results) for one in pieces] == [(5, results), (6, results)]
    assert all(one.is_last and not one.continues for one in pieces)
    with pytest.raises(DecodeError):
        fetch_pieces(data[:-1])


def test_an_answer_to_a_fetch_as_any_protobuf_writes_it():
    one = pb.FetchResult(batches=b"batches", high_watermark=5)
    data = pb.FetchResponse(results=[one, pb.FetchResult()]).SerializeToString()
    first, second = decoded_fetch_response(data)
    assert (first.records, first.high_watermark) == ([b"batches"], 5)
    assert second.records == []


def test_an_answer_that_is_none_is_a_decode_error():
    data = encoded_fetch_response([FetchResult([b"batches"], 5)])
    for end in range(1, len(data)):
        with pytest.raises(DecodeError):
            decoded_fetch_response(data[:end])


def test_offset_queries_and_results():
    queries = [OffsetQuery(LOG, -1), OffsetQuery(LOG, 5, 0, True)]
    assert offset_queries_from_message(offset_queries_to_message(queries)) == queries
    results = [OffsetResult(), OffsetResult(5, 6, 7), OffsetResult(refusal=Refusal.NOT_OWNER)]
    message = pb.ListOffsetsResponse(results=map(offset_result_to_message, results))
    assert offset_results_from_message(message) == results


def test_logs_and_their_descriptions():
    assert [log_from_message(one) for one in logs_to_message([LOG]).logs] == [LOG]
    described = [
        LogDescription(LOG, 1, 2, 3, 4, 5, 6),
        LogDescription(LOG, refusal=Refusal.UNKNOWN_TOPIC_OR_PARTITION),
    ]
    message = pb.DescribeLogResponse(logs=map(description_to_message, described))
    assert descriptions_from_message(message) == described
