import pytest

from gateway_svc.wire.apis.fetch import (
    FETCH,
    AbortedTransaction,
    EpochEndOffset,
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    ForgottenTopic,
    LeaderIdAndEpoch,
    PartitionData,
    ReplicaState,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case

TOPIC_ID = bytes(range(16))
OLD_START = "ffffffff 000001f4 00000001"
OLD_TOPICS = "00000001 0001 74  00000001 00000003 0000000000000007 00001000"
OLD_RESPONSES = "00000001 0001 74  00000001 00000003 0000 0000000000000009 00000003 726563"
MINUS_ONE = "ffffffffffffffff"


def request(topic=None, **fields):
    partitions = [FetchPartition(partition=3, fetch_offset=7, partition_max_bytes=4096)]
    topics = [FetchTopic(partitions=partitions, **(topic or {"topic": "t"}))]
    return FetchRequest(max_wait_ms=500, min_bytes=1, topics=topics, **fields)


def response(partition, topic=None, **fields):
    topics = [FetchableTopicResponse(partitions=[partition], **(topic or {"topic": "t"}))]
    return FetchResponse(responses=topics, **fields)


READ = PartitionData(partition_index=3, high_watermark=9, records=b"rec")
ABORTED = PartitionData(
    partition_index=3,
    high_watermark=9,
    aborted_transactions=[AbortedTransaction(producer_id=1, first_offset=2)],
    records=None,
)
DIVERGED = PartitionData(
    partition_index=3,
    diverging_epoch=EpochEndOffset(epoch=1, end_offset=2),
    current_leader=LeaderIdAndEpoch(leader_id=4, leader_epoch=5),
)


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        *(
            pytest.param(request(), version, f"{OLD_START} {OLD_TOPICS}", id=f"request v{version}")
            for version in (0, 1, 2)
        ),
        pytest.param(
            request(max_bytes=65_536), 3, f"{OLD_START} 00010000 {OLD_TOPICS}", id="request v3"
        ),
        pytest.param(
            request(max_bytes=65_536, isolation_level=1),
            4,
            f"{OLD_START} 00010000 01 {OLD_TOPICS}",
            id="request v4",
        ),
        pytest.param(
            request(
                topic={"topic_id": TOPIC_ID},
                replica_state=ReplicaState(replica_id=1, replica_epoch=2),
                forgotten_topics_data=[ForgottenTopic(topic_id=TOPIC_ID, partitions=[8])],
            ),
            17,
            "000001f4 00000001 7fffffff 00 00000000 ffffffff"
            f"02 {TOPIC_ID.hex()} 02 00000003 ffffffff 0000000000000007 ffffffff {MINUS_ONE}"
            f"00001000 00  00  02 {TOPIC_ID.hex()} 02 00000008 00  01"
            "01 01 0d 00000001 0000000000000002 00",
            id="request v17",
        ),
        pytest.param(response(READ), 0, OLD_RESPONSES, id="response v0"),
        *(
            pytest.param(
                response(READ, throttle_time_ms=5),
                version,
                f"00000005 {OLD_RESPONSES}",
                id=f"response v{version}",
            )
            for version in (1, 2, 3)
        ),
        pytest.param(
            response(ABORTED),
            4,
            f"00000000  00000001 0001 74  00000001 00000003 0000 0000000000000009 {MINUS_ONE}"
            "00000001 0000000000000001 0000000000000002  ffffffff",
            id="response v4",
        ),
        pytest.param(
            response(DIVERGED, topic={"topic_id": TOPIC_ID}),
            13,
            f"00000000 0000 00000000  02 {TOPIC_ID.hex()}"
            f"02 00000003 0000 {MINUS_ONE * 3} 00 ffffffff 01"
            "02 00 0d 00000001 0000000000000002 00 01 09 00000004 00000005 00  00  00",
            id="response v13",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(FETCH, message, version, hex_bytes)


def test_default_response_has_no_preferred_read_replica():
    partition = PartitionData(partition_index=0)
    assert partition.preferred_read_replica == -1
    assert partition.aborted_transactions is None
    assert (partition.high_watermark, partition.log_start_offset) == (-1, -1)


def test_refusal_sets_the_error_of_the_request_and_of_every_partition():
    refusal = FETCH.refuse(request(), ErrorCode.UNKNOWN_TOPIC_ID)
    partition = PartitionData(partition_index=3, error_code=ErrorCode.UNKNOWN_TOPIC_ID)
    assert refusal == response(partition, error_code=ErrorCode.UNKNOWN_TOPIC_ID)
