"""DescribeCluster (key 60), versions 0-2: the cluster's id, controller and brokers (KIP-700).

Versions:
    0: flexible encoding from the start (KIP-482)
    1: endpoint_type (KIP-919)
    2: fenced brokers (KIP-1073)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import BOOL, ERROR_CODE, INT8, INT32, STRING, ArrayOf, message, wire

#: Values of `endpoint_type`.
BROKERS = 1
CONTROLLERS = 2

#: Authorized operations were not requested, in their bit field.
OPERATIONS_UNKNOWN = -(2**31)


@message
class DescribeClusterRequest:
    include_cluster_authorized_operations: bool = wire(BOOL, default=False)
    endpoint_type: int = wire(INT8, since=1, default=BROKERS)
    include_fenced_brokers: bool = wire(BOOL, since=2, default=False)


@message
class DescribeClusterBroker:
    broker_id: int = wire(INT32)
    host: str = wire(STRING)
    port: int = wire(INT32)
    rack: str | None = wire(STRING, nullable_since=0, default=None)
    is_fenced: bool = wire(BOOL, since=2, default=False)


@message
class DescribeClusterResponse:
    throttle_time_ms: int = wire(INT32, default=0)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    error_message: str | None = wire(STRING, nullable_since=0, default=None)
    endpoint_type: int = wire(INT8, since=1, default=BROKERS)
    cluster_id: str = wire(STRING, default="")
    controller_id: int = wire(INT32, default=-1)
    brokers: Sequence[DescribeClusterBroker] = wire(ArrayOf(DescribeClusterBroker), default=())
    cluster_authorized_operations: int = wire(INT32, default=OPERATIONS_UNKNOWN)


def _refuse(request: DescribeClusterRequest, error_code: ErrorCode) -> DescribeClusterResponse:
    return DescribeClusterResponse(error_code=error_code, endpoint_type=request.endpoint_type)


DESCRIBE_CLUSTER = Api(
    key=60,
    name="DescribeCluster",
    version_min=0,
    version_max=2,
    flexible_since=0,
    request=DescribeClusterRequest,
    response=DescribeClusterResponse,
    refuse=_refuse,
)
