import pytest

from gateway_svc.wire.apis.sync_group import (
    SYNC_GROUP,
    SyncGroupRequest,
    SyncGroupRequestAssignment,
    SyncGroupResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            SyncGroupRequest(
                group_id="g",
                generation_id=3,
                member_id="a",
                assignments=[SyncGroupRequestAssignment(member_id="a", assignment=b"x")],
            ),
            0,
            "00016700 00000300 01610000 00010001 61000000 0178",
            id="request v0",
        ),
        pytest.param(
            SyncGroupRequest(
                group_id="g",
                generation_id=3,
                member_id="a",
                protocol_type="consumer",
                protocol_name="range",
                assignments=[],
            ),
            5,
            "02670000 00030261 0009636f 6e73756d 65720672 616e6765 0100",
            id="request v5",
        ),
        pytest.param(
            SyncGroupResponse(assignment=b"x"),
            0,
            "00000000 000178",
            id="response v0",
        ),
        pytest.param(
            SyncGroupResponse(protocol_type="consumer", protocol_name="range", assignment=b"x"),
            5,
            "00000000 00000963 6f6e7375 6d657206 72616e67 65027800",
            id="response v5",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(SYNC_GROUP, message, version, hex_bytes)


def test_refusal_sets_every_error_code():
    refusal = SYNC_GROUP.refuse(
        SyncGroupRequest(group_id="g", generation_id=3, member_id="a", assignments=[]),
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
    )
    assert refusal == SyncGroupResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
