import pytest

from gateway_svc.wire.apis.describe_groups import (
    DESCRIBE_GROUPS,
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            DescribeGroupsRequest(groups=["g"]),
            0,
            "00000001 000167",
            id="request v0",
        ),
        pytest.param(
            DescribeGroupsRequest(groups=["g"], include_authorized_operations=True),
            5,
            "02026701 00",
            id="request v5",
        ),
        pytest.param(
            DescribeGroupsResponse(
                groups=[
                    DescribedGroup(
                        group_id="g",
                        group_state="Stable",
                        protocol_type="consumer",
                        protocol_data="range",
                        members=[
                            DescribedGroupMember(
                                member_id="a",
                                client_id="c",
                                client_host="/h",
                                member_metadata=b"m",
                                member_assignment=b"x",
                            )
                        ],
                    )
                ]
            ),
            1,
            "00000000 00000001 00000001 67000653 7461626c 65000863 6f6e7375 "
            "6d657200 0572616e 67650000 00010001 61000163 00022f68 00000001 "
            "6d000000 0178",
            id="response v1",
        ),
        pytest.param(
            DescribeGroupsResponse(
                groups=[
                    DescribedGroup(
                        error_code=ErrorCode.GROUP_ID_NOT_FOUND,
                        error_message="no",
                        group_id="g",
                        members=[],
                    )
                ]
            ),
            6,
            "00000000 02004503 6e6f0267 01010101 80000000 0000",
            id="response v6",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(DESCRIBE_GROUPS, message, version, hex_bytes)


def test_refusal_sets_every_error_code():
    refusal = DESCRIBE_GROUPS.refuse(
        DescribeGroupsRequest(groups=["g"]), ErrorCode.COORDINATOR_NOT_AVAILABLE
    )
    assert refusal == DescribeGroupsResponse(
        groups=[DescribedGroup(group_id="g", error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)]
    )
