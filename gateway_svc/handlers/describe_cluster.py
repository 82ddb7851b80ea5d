"""DescribeCluster: the cluster's id, its controller and its brokers (KIP-700)."""

from gateway_svc.cluster.authorized_operations import CLUSTER_OPERATIONS
from gateway_svc.cluster.brokers import brokers, controller
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.wire.apis.describe_cluster import (
    BROKERS,
    CONTROLLERS,
    OPERATIONS_UNKNOWN,
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from gateway_svc.wire.error_code import ErrorCode


async def describe_cluster(
    request: DescribeClusterRequest, context: RequestContext
) -> DescribeClusterResponse:
    if request.endpoint_type != BROKERS:
        return _wrong_endpoint(request.endpoint_type)
    among = brokers(context)
    return DescribeClusterResponse(
        cluster_id=context.backends.view.cluster_id,
        controller_id=controller(among).node_id,
        brokers=[
            DescribeClusterBroker(
                broker_id=broker.node_id, host=broker.host, port=broker.port, rack=broker.rack
            )
            for broker in among
        ],
        cluster_authorized_operations=CLUSTER_OPERATIONS
        if request.include_cluster_authorized_operations
        else OPERATIONS_UNKNOWN,
    )


def _wrong_endpoint(endpoint_type: int) -> DescribeClusterResponse:
    """Refuses endpoint types other than brokers: a gateway serves no controllers (KIP-919)."""
    if endpoint_type == CONTROLLERS:
        error_code, message = ErrorCode.MISMATCHED_ENDPOINT_TYPE, "This is a broker endpoint."
    else:
        error_code = ErrorCode.UNSUPPORTED_ENDPOINT_TYPE
        message = f"There is no endpoint type {endpoint_type}."
    return DescribeClusterResponse(error_code=error_code, error_message=message)
