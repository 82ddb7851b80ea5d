"""DescribeCluster: the cluster's id, its brokers, and which of them stands for the controller."""

from gateway_svc.handlers.brokers import brokers, controller
from gateway_svc.handlers.call import Call
from gateway_svc.handlers.operations import CLUSTER_OPERATIONS
from gateway_svc.wire.apis.describe_cluster import (
    BROKERS,
    CONTROLLERS,
    OPERATIONS_UNKNOWN,
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from gateway_svc.wire.error_code import ErrorCode


async def describe_cluster(request: DescribeClusterRequest, call: Call) -> DescribeClusterResponse:
    """Lists brokers only; Kafka's brokers refuse to list controllers too (KIP-919)."""
    if request.endpoint_type != BROKERS:
        return _wrong_endpoint(request.endpoint_type)
    among = brokers(call)
    return DescribeClusterResponse(
        endpoint_type=BROKERS,
        cluster_id=call.backends.view.cluster_id,
        controller_id=controller(among).node_id,
        brokers=[
            DescribeClusterBroker(
                broker_id=one.node_id, host=one.host, port=one.port, rack=one.rack
            )
            for one in among
        ],
        cluster_authorized_operations=CLUSTER_OPERATIONS
        if request.include_cluster_authorized_operations
        else OPERATIONS_UNKNOWN,
    )


def _wrong_endpoint(endpoint_type: int) -> DescribeClusterResponse:
    is_known = endpoint_type == CONTROLLERS
    return DescribeClusterResponse(
        error_code=ErrorCode.MISMATCHED_ENDPOINT_TYPE
        if is_known
        else ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
        error_message="This endpoint serves brokers.",
        endpoint_type=endpoint_type,
    )
