import pytest

from common.ports.partitions import (
    ACKS_ALL,
    ACKS_LEADER,
    ACKS_NONE,
    NO_LEADER_EPOCH,
    Append,
    AppendResult,
    LogDescription,
    OffsetQuery,
    OffsetResult,
    RecordError,
    Refusal,
)
from common.records.records import Record, read_records
from common.rpc.messages import partition_owner
from common.rpc.status import MalformedRequest
from protos.partition.v1 import partition_pb2 as pb
from tests.support.stores.partition_core import LOG, TOPIC_ID


def test_refusals_have_one_number_everywhere():
    for refusal in Refusal:
        assert getattr(pb, f"REFUSAL_{refusal.name}") == refusal
    assert len(pb.Refusal.items()) == len(Refusal) + 1


@pytest.mark.parametrize(
    ("acks", "expected"),
    [
        (pb.ACKS_UNSPECIFIED, ACKS_ALL),
        (pb.ACKS_ALL, ACKS_ALL),
        (pb.ACKS_LEADER, ACKS_LEADER),
        (pb.ACKS_NONE, ACKS_NONE),
    ],
)
def test_acks(acks, expected):
    assert partition_owner.acks_from_message(pb.Append(acks=acks)) == expected


def test_acks_that_nobody_knows_are_malformed():
    with pytest.raises(MalformedRequest, match="77"):
        partition_owner.acks_from_message(pb.Append(acks=77))


@pytest.mark.parametrize("topic_id", [b"", b"x", b"x" * 17])
def test_a_topic_id_has_16_bytes(topic_id):
    with pytest.raises(MalformedRequest, match="16 bytes"):
        partition_owner.log_from_message(pb.LogId(topic_id=topic_id))


def test_an_append_of_a_batch():
    message = pb.Append(topic_id=TOPIC_ID, partition=0, batch=b"batch")
    assert partition_owner.append_from_message(message, 5) == Append(LOG, b"batch", NO_LEADER_EPOCH)
    message.leader_epoch = 0
    assert partition_owner.append_from_message(message, 5) == Append(LOG, b"batch", 0)


def test_an_append_of_records_is_made_a_batch():
    header = pb.Header(key="h", value=b"1")
    records = [
        pb.Record(offset=99, key=b"k", value=b"", headers=[header, pb.Header(key="n")]),
        pb.Record(timestamp_ms=7),
    ]
    append = partition_owner.append_from_message(pb.Append(topic_id=TOPIC_ID, records=records), 5)
    assert list(read_records(append.batch)) == [
        Record(0, 5, b"k", b"", ((b"h", b"1"), (b"n", None))),
        Record(1, 7, None, None, ()),
    ]


def test_a_batch_and_records_together_are_malformed():
    message = pb.Append(topic_id=TOPIC_ID, batch=b"x", records=[pb.Record()])
    with pytest.raises(MalformedRequest, match="not both"):
        partition_owner.append_from_message(message, 5)


def test_more_records_than_can_be_encoded_in_one_go_are_malformed():
    message = pb.Append(topic_id=TOPIC_ID, records=[pb.Record(value=bytes(17 << 20))])
    with pytest.raises(MalformedRequest, match="bytes"):
        partition_owner.append_from_message(message, 5)


def test_results_of_appends():
    stored = [(3, AppendResult(1, 2, 0)), (4, AppendResult(0, 0, 0))]
    assert list(partition_owner.append_response(stored).results) == [
        pb.AppendResult(
            append_id=3, stored=pb.Stored(base_offset=1, log_append_time_ms=2, log_start_offset=0)
        ),
        pb.AppendResult(append_id=4, stored=pb.Stored()),
    ]
    refused = AppendResult(
        refusal=Refusal.INVALID_RECORD,
        message="why",
        record_errors=[RecordError(4, "that one"), RecordError(5)],
    )
    (result,) = partition_owner.append_response([(3, refused)]).results
    assert result == pb.AppendResult(
        append_id=3,
        refused=pb.Refused(
            refusal=pb.REFUSAL_INVALID_RECORD,
            message="why",
            record_errors=[
                pb.RecordError(batch_index=4, message="that one"),
                pb.RecordError(batch_index=5),
            ],
            leader_epoch=-1,
        ),
    )


def test_offset_queries_and_their_results():
    query = pb.OffsetQuery(topic_id=TOPIC_ID, timestamp=-2, read_committed=True)
    message = pb.ListOffsetsRequest(queries=[query])
    assert partition_owner.offset_queries_from_message(message) == [
        OffsetQuery(LOG, -2, NO_LEADER_EPOCH, read_committed=True)
    ]
    assert partition_owner.offset_result_to_message(OffsetResult(1, 2, 3)) == pb.OffsetResult(
        offset=1, timestamp=2, leader_epoch=3
    )


def test_descriptions():
    described = partition_owner.description_to_message(LogDescription(LOG, 1, 2, 3, 4, 5, 6, "why"))
    assert described == pb.LogDescription(
        topic_id=TOPIC_ID,
        log_start_offset=1,
        high_watermark=2,
        log_end_offset=3,
        size_bytes=4,
        leader_epoch=5,
        producer_count=6,
        uncleanable="why",
    )


@pytest.mark.parametrize("times", [(0, -2), (-(2**63), 2**63 - 1), (-1, 2**63 - 1)])
def test_records_of_impossible_times_are_malformed(times):
    records = [pb.Record(timestamp_ms=one) for one in times]
    message = pb.Append(append_id=7, topic_id=TOPIC_ID, records=records)
    with pytest.raises(MalformedRequest, match="append 7"):
        partition_owner.append_from_message(message, 5)
