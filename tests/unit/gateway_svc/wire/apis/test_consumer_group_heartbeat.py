import pytest

from gateway_svc.wire.apis.consumer_group_heartbeat import (
    CONSUMER_GROUP_HEARTBEAT,
    Assignment,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            ConsumerGroupHeartbeatRequest(group_id="g", member_id="a", member_epoch=0),
            0,
            "02670261 00000000 0000ffff ffff0000 0000",
            id="request v0",
        ),
        pytest.param(
            ConsumerGroupHeartbeatRequest(
                group_id="g",
                member_id="a",
                member_epoch=0,
                rebalance_timeout_ms=9,
                subscribed_topic_names=["t"],
                subscribed_topic_regex="t.*",
                server_assignor="uniform",
                topic_partitions=[TopicPartitions(topic_id=bytes(range(16)), partitions=[1])],
            ),
            1,
            "02670261 00000000 00000000 00090202 7404742e 2a08756e 69666f72 "
            "6d020001 02030405 06070809 0a0b0c0d 0e0f0200 00000100 00",
            id="request v1",
        ),
        pytest.param(
            ConsumerGroupHeartbeatResponse(member_id="a", member_epoch=3, heartbeat_interval_ms=5),
            0,
            "00000000 00000002 61000000 03000000 05ff00",
            id="response v0",
        ),
        pytest.param(
            ConsumerGroupHeartbeatResponse(
                member_id="a",
                member_epoch=3,
                heartbeat_interval_ms=5,
                assignment=Assignment(
                    topic_partitions=[TopicPartitions(topic_id=bytes(range(16)), partitions=[1])]
                ),
            ),
            1,
            "00000000 00000002 61000000 03000000 05010200 01020304 05060708 "
            "090a0b0c 0d0e0f02 00000001 000000",
            id="response v1",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(CONSUMER_GROUP_HEARTBEAT, message, version, hex_bytes)


def test_refusal_sets_every_error_code():
    refusal = CONSUMER_GROUP_HEARTBEAT.refuse(
        ConsumerGroupHeartbeatRequest(group_id="g", member_id="a", member_epoch=0),
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
    )
    assert refusal == ConsumerGroupHeartbeatResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
