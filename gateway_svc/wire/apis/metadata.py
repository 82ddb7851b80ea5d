"""Metadata (key 3), versions 0-13: the brokers, and the requested topics with their leaders.

Versions:
    0: an empty list of topics means all of them
    1: None means all topics, an empty list none; rack, controller_id, is_internal (KIP-4)
    2: cluster_id (KIP-78)
    3: throttle_time_ms
    4: allow_auto_topic_creation
    5: offline_replicas (KIP-112)
    6: response sent before throttling (KIP-219)
    7: leader_epoch of partitions (KIP-320)
    8: authorized operations (KIP-430)
    9: flexible encoding (KIP-482)
    10: topic_id in the response (KIP-516)
    11: authorized operations of the cluster moved to DescribeCluster (KIP-700)
    12: topics may be requested by id, and returned without a name (KIP-516)
    13: error_code for the whole response, to order a rebootstrap (KIP-1102)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import (
    BOOL,
    ERROR_CODE,
    INT32,
    STRING,
    UUID,
    ZERO_UUID,
    ArrayOf,
    message,
    wire,
)

#: Authorized operations were not requested, in their bit field.
OPERATIONS_UNKNOWN = -(2**31)


@message
class MetadataRequestTopic:
    topic_id: bytes = wire(UUID, since=10, default=ZERO_UUID)
    name: str | None = wire(STRING, nullable_since=10)


@message
class MetadataRequest:
    topics: Sequence[MetadataRequestTopic] | None = wire(
        ArrayOf(MetadataRequestTopic), nullable_since=1
    )
    allow_auto_topic_creation: bool = wire(BOOL, since=4, default=True)
    include_cluster_authorized_operations: bool = wire(BOOL, since=8, until=10, default=False)
    include_topic_authorized_operations: bool = wire(BOOL, since=8, default=False)


@message
class MetadataResponseBroker:
    node_id: int = wire(INT32)
    host: str = wire(STRING)
    port: int = wire(INT32)
    rack: str | None = wire(STRING, since=1, nullable_since=1, default=None)


@message
class MetadataResponsePartition:
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    partition_index: int = wire(INT32)
    leader_id: int = wire(INT32, default=-1)
    leader_epoch: int = wire(INT32, since=7, default=-1)
    replica_nodes: Sequence[int] = wire(ArrayOf(INT32), default=())
    isr_nodes: Sequence[int] = wire(ArrayOf(INT32), default=())
    offline_replicas: Sequence[int] = wire(ArrayOf(INT32), since=5, default=())


@message
class MetadataResponseTopic:
    """`name` may be None from version 12 on, if a topic was requested by an unknown id."""

    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    name: str | None = wire(STRING, nullable_since=12)
    topic_id: bytes = wire(UUID, since=10, default=ZERO_UUID)
    is_internal: bool = wire(BOOL, since=1, default=False)
    partitions: Sequence[MetadataResponsePartition] = wire(
        ArrayOf(MetadataResponsePartition), default=()
    )
    topic_authorized_operations: int = wire(INT32, since=8, default=OPERATIONS_UNKNOWN)


@message
class MetadataResponse:
    throttle_time_ms: int = wire(INT32, since=3, default=0)
    brokers: Sequence[MetadataResponseBroker] = wire(ArrayOf(MetadataResponseBroker), default=())
    cluster_id: str | None = wire(STRING, since=2, nullable_since=2, default=None)
    controller_id: int = wire(INT32, since=1, default=-1)
    topics: Sequence[MetadataResponseTopic] = wire(ArrayOf(MetadataResponseTopic))
    cluster_authorized_operations: int = wire(INT32, since=8, until=10, default=OPERATIONS_UNKNOWN)
    error_code: ErrorCode = wire(ERROR_CODE, since=13, default=ErrorCode.NONE)


def _refuse(request: MetadataRequest, error_code: ErrorCode) -> MetadataResponse:
    return MetadataResponse(
        topics=[
            # Versions 10 and 11 permit a request without a name, but no such response.
            MetadataResponseTopic(
                error_code=error_code, name=topic.name or "", topic_id=topic.topic_id
            )
            for topic in request.topics or ()
        ],
        error_code=error_code,
    )


METADATA = Api(
    key=3,
    name="Metadata",
    version_min=0,
    version_max=13,
    flexible_since=9,
    request=MetadataRequest,
    response=MetadataResponse,
    refuse=_refuse,
)
