import pytest

from gateway_svc.wire.apis.offset_delete import (
    OFFSET_DELETE,
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            OffsetDeleteRequest(
                group_id="g",
                topics=[
                    OffsetDeleteRequestTopic(
                        name="t", partitions=[OffsetDeleteRequestPartition(partition_index=1)]
                    )
                ],
            ),
            0,
            "00016700 00000100 01740000 00010000 0001",
            id="request v0",
        ),
        pytest.param(
            OffsetDeleteResponse(
                topics=[
                    OffsetDeleteResponseTopic(
                        name="t",
                        partitions=[
                            OffsetDeleteResponsePartition(
                                partition_index=1, error_code=ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
                            )
                        ],
                    )
                ]
            ),
            0,
            "00000000 00000000 00010001 74000000 01000000 010056",
            id="response v0",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(OFFSET_DELETE, message, version, hex_bytes)


def test_refusal_sets_every_error_code():
    refusal = OFFSET_DELETE.refuse(
        OffsetDeleteRequest(group_id="g", topics=[]), ErrorCode.COORDINATOR_NOT_AVAILABLE
    )
    assert refusal == OffsetDeleteResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
