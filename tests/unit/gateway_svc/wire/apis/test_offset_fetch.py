import pytest

from gateway_svc.wire.apis.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            OffsetFetchRequest(
                group_id="g", topics=[OffsetFetchRequestTopic(name="t", partition_indexes=[1])]
            ),
            0,
            "00016700 00000100 01740000 00010000 0001",
            id="request v0",
        ),
        pytest.param(
            OffsetFetchRequest(group_id="g", topics=None, require_stable=True),
            7,
            "02670001 00",
            id="request v7",
        ),
        pytest.param(
            OffsetFetchRequest(
                groups=[
                    OffsetFetchRequestGroup(
                        group_id="g",
                        member_id="a",
                        member_epoch=3,
                        topics=[
                            OffsetFetchRequestTopics(
                                topic_id=bytes(range(16)), partition_indexes=[1]
                            )
                        ],
                    )
                ]
            ),
            10,
            "02026702 61000000 03020001 02030405 06070809 0a0b0c0d 0e0f0200 00000100 000000",
            id="request v10",
        ),
        pytest.param(
            OffsetFetchResponse(
                topics=[
                    OffsetFetchResponseTopic(
                        name="t",
                        partitions=[
                            OffsetFetchResponsePartition(
                                partition_index=1, committed_offset=9, metadata="m"
                            )
                        ],
                    )
                ]
            ),
            2,
            "00000001 00017400 00000100 00000100 00000000 00000900 016d0000 0000",
            id="response v2",
        ),
        pytest.param(
            OffsetFetchResponse(
                groups=[
                    OffsetFetchResponseGroup(
                        group_id="g",
                        topics=[
                            OffsetFetchResponseTopics(
                                name="t",
                                partitions=[
                                    OffsetFetchResponsePartitions(
                                        partition_index=1, committed_offset=9
                                    )
                                ],
                            )
                        ],
                    )
                ]
            ),
            8,
            "00000000 02026702 02740200 00000100 00000000 000009ff ffffff01 00000000 00000000",
            id="response v8",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(OFFSET_FETCH, message, version, hex_bytes)


def test_refusal_sets_every_error_code():
    refusal = OFFSET_FETCH.refuse(
        OffsetFetchRequest(
            group_id="g",
            topics=[OffsetFetchRequestTopic(name="t", partition_indexes=[1])],
            groups=[OffsetFetchRequestGroup(group_id="g", topics=None)],
        ),
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
    )
    assert refusal == OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(
                name="t",
                partitions=[
                    OffsetFetchResponsePartition(
                        partition_index=1, error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE
                    )
                ],
            )
        ],
        error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE,
        groups=[
            OffsetFetchResponseGroup(
                group_id="g", topics=[], error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE
            )
        ],
    )
