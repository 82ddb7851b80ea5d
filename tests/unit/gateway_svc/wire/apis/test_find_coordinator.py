import pytest

from gateway_svc.wire.apis.find_coordinator import (
    FIND_COORDINATOR,
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            FindCoordinatorRequest(key="g"),
            0,
            "000167",
            id="request v0",
        ),
        pytest.param(
            FindCoordinatorRequest(key="g"),
            3,
            "02670000",
            id="request v3",
        ),
        pytest.param(
            FindCoordinatorRequest(coordinator_keys=["g", "h"]),
            4,
            "00030267 026800",
            id="request v4",
        ),
        pytest.param(
            FindCoordinatorResponse(node_id=1, host="b", port=9092),
            0,
            "00000000 00010001 62000023 84",
            id="response v0",
        ),
        pytest.param(
            FindCoordinatorResponse(
                coordinators=[Coordinator(key="g", node_id=1, host="b", port=9092)]
            ),
            4,
            "00000000 02026700 00000102 62000023 84000000 0000",
            id="response v4",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(FIND_COORDINATOR, message, version, hex_bytes)


def test_refusal_sets_every_error_code():
    refusal = FIND_COORDINATOR.refuse(
        FindCoordinatorRequest(key="g", coordinator_keys=["g"]), ErrorCode.COORDINATOR_NOT_AVAILABLE
    )
    assert refusal == FindCoordinatorResponse(
        error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE,
        coordinators=[
            Coordinator(
                key="g",
                node_id=-1,
                host="",
                port=-1,
                error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE,
            )
        ],
    )
