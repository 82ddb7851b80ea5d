import pytest

from gateway_svc.wire.apis.produce import (
    PRODUCE,
    BatchIndexAndErrorMessage,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case

TOPIC_ID = bytes(range(16))


def request(**topic):
    partitions = [PartitionProduceData(index=3, records=b"rec")]
    return ProduceRequest(
        acks=-1,
        timeout_ms=1000,
        topic_data=[TopicProduceData(partition_data=partitions, **topic)],
    )


def response(partition, throttle_time_ms=0, **topic):
    return ProduceResponse(
        responses=[TopicProduceResponse(partition_responses=[partition], **topic)],
        throttle_time_ms=throttle_time_ms,
    )


STORED = PartitionProduceResponse(index=3, base_offset=7)
STAMPED = PartitionProduceResponse(index=3, base_offset=7, log_append_time_ms=9)
MOVED = PartitionProduceResponse(
    index=3,
    error_code=ErrorCode.NOT_LEADER_OR_FOLLOWER,
    record_errors=[],
    current_leader=LeaderIdAndEpoch(leader_id=2, leader_epoch=5),
)
INVALID = PartitionProduceResponse(
    index=3,
    error_code=ErrorCode.INVALID_RECORD,
    record_errors=[BatchIndexAndErrorMessage(batch_index=1, batch_index_error_message="a")],
    error_message="b",
)
ELSEWHERE = ProduceResponse(
    responses=[TopicProduceResponse(topic_id=TOPIC_ID, partition_responses=[MOVED])],
    node_endpoints=[NodeEndpoint(node_id=2, host="h", port=9092)],
)

OLD_REQUEST = "ffff 000003e8  00000001 0001 74  00000001 00000003 00000003 726563"
MINUS_ONE = "ffffffffffffffff"


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(request(name="t"), 0, OLD_REQUEST, id="request v0"),
        pytest.param(request(name="t"), 1, OLD_REQUEST, id="request v1"),
        pytest.param(request(name="t"), 2, OLD_REQUEST, id="request v2"),
        pytest.param(request(name="t"), 3, f"ffff {OLD_REQUEST}", id="request v3"),
        pytest.param(
            request(name="t"),
            9,
            "00 ffff 000003e8  02 02 74  02 00000003 04 726563 00  00  00",
            id="request v9",
        ),
        pytest.param(
            request(topic_id=TOPIC_ID),
            13,
            f"00 ffff 000003e8  02 {TOPIC_ID.hex()}  02 00000003 04 726563 00  00  00",
            id="request v13",
        ),
        pytest.param(
            response(STORED, name="t"),
            0,
            "00000001 0001 74  00000001 00000003 0000 0000000000000007",
            id="response v0",
        ),
        pytest.param(
            response(STORED, throttle_time_ms=5, name="t"),
            1,
            "00000001 0001 74  00000001 00000003 0000 0000000000000007  00000005",
            id="response v1",
        ),
        pytest.param(
            response(STAMPED, throttle_time_ms=5, name="t"),
            2,
            "00000001 0001 74  00000001 00000003 0000 0000000000000007 0000000000000009  00000005",
            id="response v2",
        ),
        pytest.param(
            response(INVALID, name="t"),
            8,
            f"00000001 0001 74  00000001 00000003 0057 {MINUS_ONE * 3}"
            "00000001 00000001 0001 61  0001 62  00000000",
            id="response v8",
        ),
        pytest.param(
            ELSEWHERE,
            13,
            f"02 {TOPIC_ID.hex()}  02 00000003 0006 {MINUS_ONE * 3} 01 00"
            "01 00 09 00000002 00000005 00  00  00000000"
            "01 00 0d 02 00000002 02 68 00002384 00 00",
            id="response v13",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(PRODUCE, message, version, hex_bytes)


def test_refusal_lists_every_partition():
    refusal = PRODUCE.refuse(request(name="t", topic_id=TOPIC_ID), ErrorCode.REQUEST_TIMED_OUT)
    partition = PartitionProduceResponse(index=3, error_code=ErrorCode.REQUEST_TIMED_OUT)
    assert refusal == response(partition, name="t", topic_id=TOPIC_ID)
