import pytest

from gateway_svc.wire.apis.delete_groups import (
    DELETE_GROUPS,
    DeletableGroupResult,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            DeleteGroupsRequest(groups_names=["g"]),
            0,
            "00000001 000167",
            id="request v0",
        ),
        pytest.param(
            DeleteGroupsRequest(groups_names=["g"]),
            2,
            "02026700",
            id="request v2",
        ),
        pytest.param(
            DeleteGroupsResponse(
                results=[DeletableGroupResult(group_id="g", error_code=ErrorCode.NON_EMPTY_GROUP)]
            ),
            1,
            "00000000 00000001 00016700 44",
            id="response v1",
        ),
        pytest.param(
            DeleteGroupsResponse(results=[DeletableGroupResult(group_id="g")]),
            2,
            "00000000 02026700 000000",
            id="response v2",
        ),
        pytest.param(
            DeleteGroupsRequest(groups_names=["", "nope"]),
            3,
            "03 01 056e6f7065 00",
            id="request v3",
        ),
        # A response of Apache Kafka 4.4.0.
        pytest.param(
            DeleteGroupsResponse(
                results=[
                    DeletableGroupResult(group_id="", error_code=ErrorCode.GROUP_ID_NOT_FOUND),
                    DeletableGroupResult(group_id="nope", error_code=ErrorCode.GROUP_ID_NOT_FOUND),
                ]
            ),
            3,
            "00000000 03 01 0045 00 00 05 6e6f7065 0045 00 00 00",
            id="response v3",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(DELETE_GROUPS, message, version, hex_bytes)


def test_refusal_sets_every_error_code():
    refusal = DELETE_GROUPS.refuse(
        DeleteGroupsRequest(groups_names=["g"]), ErrorCode.COORDINATOR_NOT_AVAILABLE
    )
    assert refusal == DeleteGroupsResponse(
        results=[DeletableGroupResult(group_id="g", error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)]
    )
