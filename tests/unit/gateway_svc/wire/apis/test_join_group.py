import pytest

from gateway_svc.wire.apis.join_group import (
    JOIN_GROUP,
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
    JoinGroupResponseMember,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            JoinGroupRequest(
                group_id="g",
                session_timeout_ms=10,
                member_id="",
                protocol_type="consumer",
                protocols=[JoinGroupRequestProtocol(name="range", metadata=b"m")],
            ),
            0,
            "00016700 00000a00 00000863 6f6e7375 6d657200 00000100 0572616e 67650000 00016d",
            id="request v0",
        ),
        pytest.param(
            JoinGroupRequest(
                group_id="g",
                session_timeout_ms=10,
                rebalance_timeout_ms=20,
                member_id="a",
                group_instance_id="i",
                protocol_type="consumer",
                protocols=[JoinGroupRequestProtocol(name="range", metadata=b"m")],
                reason="r",
            ),
            9,
            "02670000 000a0000 00140261 02690963 6f6e7375 6d657202 0672616e 6765026d 00027200",
            id="request v9",
        ),
        pytest.param(
            JoinGroupResponse(
                generation_id=3,
                protocol_name="range",
                leader="a",
                member_id="a",
                members=[JoinGroupResponseMember(member_id="a", metadata=b"m")],
            ),
            0,
            "00000000 00030005 72616e67 65000161 00016100 00000100 01610000 00016d",
            id="response v0",
        ),
        pytest.param(
            JoinGroupResponse(
                generation_id=3,
                protocol_type="consumer",
                protocol_name="range",
                leader="a",
                skip_assignment=True,
                member_id="a",
                members=[JoinGroupResponseMember(member_id="a", metadata=b"m")],
            ),
            9,
            "00000000 00000000 00030963 6f6e7375 6d657206 72616e67 65026101 02610202 6100026d 0000",
            id="response v9",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(JOIN_GROUP, message, version, hex_bytes)


def test_refusal_sets_every_error_code():
    refusal = JOIN_GROUP.refuse(
        JoinGroupRequest(
            group_id="g",
            session_timeout_ms=10,
            member_id="a",
            protocol_type="consumer",
            protocols=[],
        ),
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
    )
    assert refusal == JoinGroupResponse(
        error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE, member_id="a"
    )
