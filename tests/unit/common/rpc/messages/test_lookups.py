from common.ports.partitions import (
    NO_LEADER_EPOCH,
    EpochEndOffset,
    EpochQuery,
    LogDescription,
    LogId,
    OffsetQuery,
    OffsetResult,
    Refusal,
)
from common.rpc.messages.lookups import (
    descriptions_from_message,
    descriptions_to_message,
    epoch_ends_from_message,
    epoch_ends_to_message,
    epoch_queries_from_message,
    epoch_queries_to_message,
    logs_from_message,
    logs_to_message,
    offset_queries_from_message,
    offset_queries_to_message,
    offset_results_from_message,
    offset_results_to_message,
)
from protos.partition.v1 import partition_pb2 as pb

TOPIC_ID = b"sixteen bytes id"
LOG = LogId(TOPIC_ID, 3)


def test_offset_queries_and_results_arrive_as_they_were_sent():
    queries = [OffsetQuery(LOG, -1), OffsetQuery(LOG, 5, 0, True)]
    assert offset_queries_from_message(offset_queries_to_message(queries)) == queries
    results = [OffsetResult(), OffsetResult(5, 6, 7), OffsetResult(refusal=Refusal.NOT_OWNER)]
    assert offset_results_from_message(offset_results_to_message(results)) == results


def test_offset_queries_and_results_have_the_fields_of_the_proto():
    query = pb.OffsetQuery(topic_id=TOPIC_ID, partition=3, timestamp=-2, read_committed=True)
    assert offset_queries_from_message(pb.ListOffsetsRequest(queries=[query])) == [
        OffsetQuery(LOG, -2, NO_LEADER_EPOCH, read_committed=True)
    ]
    (result,) = offset_results_to_message([OffsetResult(1, 2, 3)]).results
    assert result == pb.OffsetResult(offset=1, timestamp=2, leader_epoch=3)


def test_epoch_queries_and_ends_arrive_as_they_were_sent():
    queries = [EpochQuery(LOG, 4), EpochQuery(LOG, 0, 0)]
    assert epoch_queries_from_message(epoch_queries_to_message(queries)) == queries
    ends = [EpochEndOffset(), EpochEndOffset(3, 40), EpochEndOffset(refusal=Refusal.MOVING)]
    assert epoch_ends_from_message(epoch_ends_to_message(ends)) == ends


def test_logs_and_their_descriptions_arrive_as_they_were_sent():
    assert logs_from_message(logs_to_message([LOG])) == [LOG]
    descriptions = [
        LogDescription(LOG, 1, 2, 3, 4, 5, 6),
        LogDescription(LOG, refusal=Refusal.UNKNOWN_TOPIC_OR_PARTITION),
    ]
    assert descriptions_from_message(descriptions_to_message(descriptions)) == descriptions


def test_description_has_the_fields_of_the_proto():
    (description,) = descriptions_to_message([LogDescription(LOG, 1, 2, 3, 4, 5, 6, "reason")]).logs
    assert description == pb.LogDescription(
        topic_id=TOPIC_ID,
        partition=3,
        log_start_offset=1,
        high_watermark=2,
        log_end_offset=3,
        size_bytes=4,
        leader_epoch=5,
        producer_count=6,
        uncleanable="reason",
    )
