import pytest

from gateway_svc.wire.apis.describe_cluster import (
    BROKERS,
    CONTROLLERS,
    DESCRIBE_CLUSTER,
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case

CLUSTER = DescribeClusterResponse(
    cluster_id="c",
    controller_id=1,
    brokers=[DescribeClusterBroker(broker_id=1, host="h", port=9092, rack="r")],
)


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(DescribeClusterRequest(), 0, "00 00", id="request v0"),
        pytest.param(
            DescribeClusterRequest(endpoint_type=CONTROLLERS, include_fenced_brokers=True),
            2,
            "00 02 01 00",
            id="request v2",
        ),
        pytest.param(
            CLUSTER,
            0,
            "00000000 0000 00 02 63 00000001  02 00000001 02 68 00002384 02 72 00  80000000 00",
            id="response v0",
        ),
        pytest.param(
            CLUSTER,
            2,
            "00000000 0000 00 01 02 63 0000000102 00000001 02 68 00002384 02 72 00 00  80000000 00",
            id="response v2",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(DESCRIBE_CLUSTER, message, version, hex_bytes)


def test_refusal_repeats_the_endpoint_type():
    request = DescribeClusterRequest(endpoint_type=CONTROLLERS)
    refusal = DESCRIBE_CLUSTER.refuse(request, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE)
    assert (refusal.error_code, refusal.endpoint_type) == (
        ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
        CONTROLLERS,
    )
    assert DescribeClusterResponse().endpoint_type == BROKERS
