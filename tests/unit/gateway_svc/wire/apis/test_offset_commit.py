import pytest

from gateway_svc.wire.apis.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            OffsetCommitRequest(
                group_id="g",
                topics=[
                    OffsetCommitRequestTopic(
                        name="t",
                        partitions=[
                            OffsetCommitRequestPartition(
                                partition_index=1, committed_offset=9, committed_metadata=None
                            )
                        ],
                    )
                ],
            ),
            0,
            "00016700 00000100 01740000 00010000 00010000 00000000 0009ffff",
            id="request v0",
        ),
        pytest.param(
            OffsetCommitRequest(
                group_id="g",
                generation_id_or_member_epoch=3,
                member_id="a",
                retention_time_ms=5,
                topics=[
                    OffsetCommitRequestTopic(
                        name="t",
                        partitions=[
                            OffsetCommitRequestPartition(
                                partition_index=1, committed_offset=9, committed_metadata="m"
                            )
                        ],
                    )
                ],
            ),
            2,
            "00016700 00000300 01610000 00000000 00050000 00010001 74000000 "
            "01000000 01000000 00000000 0900016d",
            id="request v2",
        ),
        pytest.param(
            OffsetCommitRequest(
                group_id="g",
                generation_id_or_member_epoch=3,
                member_id="a",
                group_instance_id="i",
                topics=[
                    OffsetCommitRequestTopic(
                        topic_id=bytes(range(16)),
                        partitions=[
                            OffsetCommitRequestPartition(
                                partition_index=1,
                                committed_offset=9,
                                committed_leader_epoch=4,
                                committed_metadata="m",
                            )
                        ],
                    )
                ],
            ),
            10,
            "02670000 00030261 02690200 01020304 05060708 090a0b0c 0d0e0f02 "
            "00000001 00000000 00000009 00000004 026d0000 00",
            id="request v10",
        ),
        pytest.param(
            OffsetCommitResponse(
                topics=[
                    OffsetCommitResponseTopic(
                        name="t", partitions=[OffsetCommitResponsePartition(partition_index=1)]
                    )
                ]
            ),
            3,
            "00000000 00000001 00017400 00000100 00000100 00",
            id="response v3",
        ),
        pytest.param(
            OffsetCommitResponse(
                topics=[
                    OffsetCommitResponseTopic(
                        topic_id=bytes(range(16)),
                        partitions=[OffsetCommitResponsePartition(partition_index=1)],
                    )
                ]
            ),
            10,
            "00000000 02000102 03040506 0708090a 0b0c0d0e 0f020000 00010000 000000",
            id="response v10",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(OFFSET_COMMIT, message, version, hex_bytes)


def test_refusal_sets_every_error_code():
    refusal = OFFSET_COMMIT.refuse(
        OffsetCommitRequest(
            group_id="g",
            topics=[
                OffsetCommitRequestTopic(
                    name="t",
                    partitions=[
                        OffsetCommitRequestPartition(
                            partition_index=1, committed_offset=9, committed_metadata=None
                        )
                    ],
                )
            ],
        ),
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
    )
    assert refusal == OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name="t",
                partitions=[
                    OffsetCommitResponsePartition(
                        partition_index=1, error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE
                    )
                ],
            )
        ]
    )
