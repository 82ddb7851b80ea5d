import pytest

from gateway_svc.handlers.describe_cluster import describe_cluster
from gateway_svc.wire.apis.describe_cluster import OPERATIONS_UNKNOWN, DescribeClusterRequest
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster


def test_describe_cluster_lists_brokers_of_the_listener():
    response = FakeCluster().send(describe_cluster, DescribeClusterRequest(), 2)
    assert response.cluster_id == "the-cluster"
    assert [
        (broker.broker_id, broker.host, broker.rack, broker.is_fenced)
        for broker in response.brokers
    ] == [
        (1, "gateway-1", "rack-a", False),
        (2, "gateway-2", "rack-b", False),
    ]
    assert response.controller_id == 1
    assert response.cluster_authorized_operations == OPERATIONS_UNKNOWN


def test_describe_cluster_returns_operations_on_request():
    request = DescribeClusterRequest(include_cluster_authorized_operations=True)
    assert FakeCluster().send(describe_cluster, request, 0).cluster_authorized_operations > 0


@pytest.mark.parametrize(
    ("endpoint_type", "error_code"),
    [(2, ErrorCode.MISMATCHED_ENDPOINT_TYPE), (9, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE)],
)
def test_describe_cluster_rejects_other_endpoint_types(endpoint_type, error_code):
    request = DescribeClusterRequest(endpoint_type=endpoint_type)
    response = FakeCluster().send(describe_cluster, request, 1)
    assert (response.error_code, response.endpoint_type) == (error_code, 1)
    assert response.error_message
    assert not response.brokers
