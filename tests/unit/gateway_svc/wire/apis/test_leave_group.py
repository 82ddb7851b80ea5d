import pytest

from gateway_svc.wire.apis.leave_group import (
    LEAVE_GROUP,
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberIdentity,
    MemberResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            LeaveGroupRequest(group_id="g", member_id="a"),
            0,
            "00016700 0161",
            id="request v0",
        ),
        pytest.param(
            LeaveGroupRequest(
                group_id="g",
                members=[MemberIdentity(member_id="", group_instance_id="i", reason="r")],
            ),
            5,
            "02670201 02690272 0000",
            id="request v5",
        ),
        pytest.param(
            LeaveGroupResponse(),
            0,
            "0000",
            id="response v0",
        ),
        pytest.param(
            LeaveGroupResponse(
                members=[MemberResponse(member_id="a", error_code=ErrorCode.UNKNOWN_MEMBER_ID)]
            ),
            4,
            "00000000 00000202 61000019 0000",
            id="response v4",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(LEAVE_GROUP, message, version, hex_bytes)


def test_refusal_sets_every_error_code():
    refusal = LEAVE_GROUP.refuse(
        LeaveGroupRequest(group_id="g", member_id="a"), ErrorCode.COORDINATOR_NOT_AVAILABLE
    )
    assert refusal == LeaveGroupResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
