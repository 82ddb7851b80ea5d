import pytest

from gateway_svc.wire.apis.init_producer_id import (
    INIT_PRODUCER_ID,
    InitProducerIdRequest,
    InitProducerIdResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case

IDEMPOTENT = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
GIVEN = InitProducerIdResponse(producer_id=4000, producer_epoch=0)


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(IDEMPOTENT, 0, "ffff 000003e8", id="request v0"),
        pytest.param(IDEMPOTENT, 2, "00 000003e8 00", id="request v2"),
        pytest.param(IDEMPOTENT, 5, "00 000003e8 ffffffffffffffff ffff 00", id="request v5"),
        pytest.param(GIVEN, 0, "00000000 0000 0000000000000fa0 0000", id="response v0"),
        pytest.param(GIVEN, 2, "00000000 0000 0000000000000fa0 0000 00", id="response v2"),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(INIT_PRODUCER_ID, message, version, hex_bytes)


def test_refusal_has_no_producer_id():
    refusal = INIT_PRODUCER_ID.refuse(IDEMPOTENT, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    assert refusal.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert (refusal.producer_id, refusal.producer_epoch) == (-1, -1)
