import pytest

from gateway_svc.wire.apis.consumer_group_describe import (
    CONSUMER_GROUP_DESCRIBE,
    Assignment,
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
    Member,
    TopicPartitions,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            ConsumerGroupDescribeRequest(group_ids=["g"]),
            0,
            "02026700 00",
            id="request v0",
        ),
        pytest.param(
            ConsumerGroupDescribeResponse(
                groups=[
                    DescribedGroup(
                        group_id="g",
                        group_state="Stable",
                        group_epoch=2,
                        assignment_epoch=2,
                        assignor_name="uniform",
                        members=[
                            Member(
                                member_id="a",
                                member_epoch=2,
                                client_id="c",
                                client_host="/h",
                                subscribed_topic_names=["t"],
                                assignment=Assignment(
                                    topic_partitions=[
                                        TopicPartitions(
                                            topic_id=bytes(range(16)),
                                            topic_name="t",
                                            partitions=[1],
                                        )
                                    ]
                                ),
                                target_assignment=Assignment(topic_partitions=[]),
                                member_type=1,
                            )
                        ],
                    )
                ]
            ),
            1,
            "00000000 02000000 02670753 7461626c 65000000 02000000 0208756e "
            "69666f72 6d020261 00000000 00020263 032f6802 02740002 00010203 "
            "04050607 08090a0b 0c0d0e0f 02740200 00000100 00010001 00800000 000000",
            id="response v1",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(CONSUMER_GROUP_DESCRIBE, message, version, hex_bytes)


def test_refusal_sets_every_error_code():
    refusal = CONSUMER_GROUP_DESCRIBE.refuse(
        ConsumerGroupDescribeRequest(group_ids=["g"]), ErrorCode.COORDINATOR_NOT_AVAILABLE
    )
    assert refusal == ConsumerGroupDescribeResponse(
        groups=[DescribedGroup(group_id="g", error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)]
    )
