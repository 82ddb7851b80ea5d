import pytest

from common.ports.partitions import (
    ACKS_ALL,
    ACKS_LEADER,
    ACKS_NONE,
    NO_LEADER_EPOCH,
    Append,
    AppendResult,
    LogId,
    RecordError,
    Refusal,
)
from common.records.records import Record, read_records
from common.rpc.messages.append import (
    acks_from_message,
    append_from_message,
    append_request,
    append_response,
    append_result_from_message,
)
from common.rpc.status import MalformedRequest
from protos.partition.v1 import partition_pb2 as pb

TOPIC_ID = b"sixteen bytes id"
LOG = LogId(TOPIC_ID, 3)


@pytest.mark.parametrize("epoch", [-1, 0, 7])
@pytest.mark.parametrize("batch", [b"bytes", memoryview(b"a view")], ids=["bytes", "view"])
def test_append_arrives_as_it_was_sent(epoch, batch):
    (message,) = append_request([(5, Append(LOG, batch, epoch), ACKS_ALL)]).appends
    assert message.append_id == 5
    assert append_from_message(message, 0) == Append(LOG, bytes(batch), epoch)


def test_missing_leader_epoch_is_read_as_no_epoch():
    message = pb.Append(topic_id=TOPIC_ID, partition=3, batch=b"batch")
    assert append_from_message(message, 5) == Append(LOG, b"batch", NO_LEADER_EPOCH)
    message.leader_epoch = 0
    assert append_from_message(message, 5) == Append(LOG, b"batch", 0)


@pytest.mark.parametrize(
    ("acks", "sent_acks"),
    [(ACKS_ALL, ACKS_ALL), (ACKS_LEADER, ACKS_LEADER), (ACKS_NONE, ACKS_LEADER)],
)
def test_appends_without_acks_are_sent_with_those_of_the_leader(acks, sent_acks):
    (message,) = append_request([(5, Append(LOG, b"x"), acks)]).appends
    assert acks_from_message(message) == sent_acks


@pytest.mark.parametrize(
    ("acks", "expected"),
    [
        (pb.ACKS_UNSPECIFIED, ACKS_ALL),
        (pb.ACKS_ALL, ACKS_ALL),
        (pb.ACKS_LEADER, ACKS_LEADER),
        (pb.ACKS_NONE, ACKS_NONE),
    ],
)
def test_acks_of_other_callers_are_those_of_kafka(acks, expected):
    assert acks_from_message(pb.Append(acks=acks)) == expected


def test_unknown_acks_are_malformed():
    with pytest.raises(MalformedRequest, match="77"):
        acks_from_message(pb.Append(acks=77))


def test_records_are_encoded_as_a_batch():
    header = pb.Header(key="h", value=b"1")
    records = [
        pb.Record(offset=99, key=b"k", value=b"", headers=[header, pb.Header(key="n")]),
        pb.Record(timestamp_ms=7),
    ]
    append = append_from_message(pb.Append(topic_id=TOPIC_ID, records=records), 5)
    assert list(read_records(append.batch)) == [
        Record(0, 5, b"k", b"", ((b"h", b"1"), (b"n", None))),
        Record(1, 7, None, None, ()),
    ]


def test_batch_and_records_together_are_malformed():
    message = pb.Append(topic_id=TOPIC_ID, batch=b"x", records=[pb.Record()])
    with pytest.raises(MalformedRequest, match="not both"):
        append_from_message(message, 5)


def test_records_of_too_many_bytes_are_malformed():
    message = pb.Append(topic_id=TOPIC_ID, records=[pb.Record(value=bytes(17 << 20))])
    with pytest.raises(MalformedRequest, match="bytes"):
        append_from_message(message, 5)


@pytest.mark.parametrize("times", [(0, -2), (-(2**63), 2**63 - 1), (-1, 2**63 - 1)])
def test_records_of_impossible_times_are_malformed(times):
    records = [pb.Record(timestamp_ms=time_ms) for time_ms in times]
    message = pb.Append(append_id=7, topic_id=TOPIC_ID, records=records)
    with pytest.raises(MalformedRequest, match="append 7"):
        append_from_message(message, 5)


@pytest.mark.parametrize(
    "result",
    [
        AppendResult(0, -1, 0),
        AppendResult(7, 1_700_000_000_000, 3),
        *(AppendResult(refusal=refusal, leader_epoch=4) for refusal in Refusal),
        AppendResult(
            refusal=Refusal.INVALID_RECORD,
            message="text",
            record_errors=(RecordError(2, "no key"), RecordError(3)),
        ),
    ],
    ids=str,
)
def test_result_arrives_as_it_was_sent(result):
    (message,) = append_response([(1, result)]).results
    assert append_result_from_message(message) == result


def test_results_have_the_fields_of_the_proto():
    stored = [(3, AppendResult(1, 2, 0)), (4, AppendResult(0, 0, 0))]
    assert list(append_response(stored).results) == [
        pb.AppendResult(
            append_id=3, stored=pb.Stored(base_offset=1, log_append_time_ms=2, log_start_offset=0)
        ),
        pb.AppendResult(append_id=4, stored=pb.Stored()),
    ]
    refused = AppendResult(
        refusal=Refusal.INVALID_RECORD,
        message="reason",
        record_errors=[RecordError(4, "no key"), RecordError(5)],
    )
    (result,) = append_response([(3, refused)]).results
    assert result == pb.AppendResult(
        append_id=3,
        refused=pb.Refused(
            refusal=pb.REFUSAL_INVALID_RECORD,
            message="reason",
            record_errors=[
                pb.RecordError(batch_index=4, message="no key"),
                pb.RecordError(batch_index=5),
            ],
            leader_epoch=-1,
        ),
    )
