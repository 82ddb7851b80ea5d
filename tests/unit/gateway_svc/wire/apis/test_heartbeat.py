import pytest

from gateway_svc.wire.apis.heartbeat import (
    HEARTBEAT,
    HeartbeatRequest,
    HeartbeatResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            HeartbeatRequest(group_id="g", generation_id=3, member_id="a"),
            0,
            "00016700 00000300 0161",
            id="request v0",
        ),
        pytest.param(
            HeartbeatRequest(group_id="g", generation_id=3, member_id="a", group_instance_id="i"),
            4,
            "02670000 00030261 026900",
            id="request v4",
        ),
        pytest.param(
            HeartbeatResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS),
            0,
            "001b",
            id="response v0",
        ),
        pytest.param(
            HeartbeatResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS),
            4,
            "00000000 001b00",
            id="response v4",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(HEARTBEAT, message, version, hex_bytes)


def test_refusal_sets_every_error_code():
    refusal = HEARTBEAT.refuse(
        HeartbeatRequest(group_id="g", generation_id=3, member_id="a"),
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
    )
    assert refusal == HeartbeatResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
