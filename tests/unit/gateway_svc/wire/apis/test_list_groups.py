import pytest

from gateway_svc.wire.apis.list_groups import (
    LIST_GROUPS,
    ListedGroup,
    ListGroupsRequest,
    ListGroupsResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            ListGroupsRequest(),
            0,
            "",
            id="request v0",
        ),
        pytest.param(
            ListGroupsRequest(states_filter=["Stable"], types_filter=["classic"]),
            5,
            "02075374 61626c65 0208636c 61737369 6300",
            id="request v5",
        ),
        pytest.param(
            ListGroupsResponse(groups=[ListedGroup(group_id="g", protocol_type="consumer")]),
            0,
            "00000000 00010001 67000863 6f6e7375 6d6572",
            id="response v0",
        ),
        pytest.param(
            ListGroupsResponse(
                groups=[
                    ListedGroup(
                        group_id="g",
                        protocol_type="consumer",
                        group_state="Stable",
                        group_type="classic",
                    )
                ]
            ),
            5,
            "00000000 00000202 6709636f 6e73756d 65720753 7461626c 6508636c 61737369 630000",
            id="response v5",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(LIST_GROUPS, message, version, hex_bytes)


def test_refusal_sets_every_error_code():
    refusal = LIST_GROUPS.refuse(ListGroupsRequest(), ErrorCode.COORDINATOR_NOT_AVAILABLE)
    assert refusal == ListGroupsResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
