"""CreateTopics (key 19), versions 0-7: makes topics, or says whether they could be made.

Versions:
    1: validate_only, error_message
    2: throttle_time_ms
    3: response sent before throttling (KIP-219)
    4: -1 partitions or replicas ask for the cluster's defaults (KIP-464)
    5: flexible encoding (KIP-482); the response shows the topic as it was made (KIP-525)
    6: THROTTLING_QUOTA_EXCEEDED may be returned (KIP-599)
    7: topic_id in the response (KIP-516)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import (
    BOOL,
    ERROR_CODE,
    INT8,
    INT16,
    INT32,
    STRING,
    UUID,
    ZERO_UUID,
    ArrayOf,
    message,
    wire,
)


@message
class CreatableReplicaAssignment:
    partition_index: int = wire(INT32)
    broker_ids: Sequence[int] = wire(ArrayOf(INT32))


@message
class CreatableTopicConfig:
    name: str = wire(STRING)
    value: str | None = wire(STRING, nullable_since=0)


@message
class CreatableTopic:
    name: str = wire(STRING)
    num_partitions: int = wire(INT32)
    replication_factor: int = wire(INT16)
    assignments: Sequence[CreatableReplicaAssignment] = wire(
        ArrayOf(CreatableReplicaAssignment), default=()
    )
    configs: Sequence[CreatableTopicConfig] = wire(ArrayOf(CreatableTopicConfig), default=())


@message
class CreateTopicsRequest:
    topics: Sequence[CreatableTopic] = wire(ArrayOf(CreatableTopic))
    timeout_ms: int = wire(INT32, default=60_000)
    validate_only: bool = wire(BOOL, since=1, default=False)


@message
class CreatableTopicConfigs:
    """`config_source` as in DescribeConfigs; -1 where it is not known."""

    name: str = wire(STRING)
    value: str | None = wire(STRING, nullable_since=0)
    read_only: bool = wire(BOOL, default=False)
    config_source: int = wire(INT8, default=-1)
    is_sensitive: bool = wire(BOOL, default=False)


@message
class CreatableTopicResult:
    """`configs` None: they may not be shown, and `topic_config_error_code` says why."""

    name: str = wire(STRING)
    topic_id: bytes = wire(UUID, since=7, default=ZERO_UUID)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    error_message: str | None = wire(STRING, since=1, nullable_since=0, default=None)
    topic_config_error_code: ErrorCode = wire(ERROR_CODE, since=5, tag=0, default=ErrorCode.NONE)
    num_partitions: int = wire(INT32, since=5, default=-1)
    replication_factor: int = wire(INT16, since=5, default=-1)
    configs: Sequence[CreatableTopicConfigs] | None = wire(
        ArrayOf(CreatableTopicConfigs), since=5, nullable_since=5, default=()
    )


@message
class CreateTopicsResponse:
    throttle_time_ms: int = wire(INT32, since=2, default=0)
    topics: Sequence[CreatableTopicResult] = wire(ArrayOf(CreatableTopicResult))


def _refuse(request: CreateTopicsRequest, error_code: ErrorCode) -> CreateTopicsResponse:
    return CreateTopicsResponse(
        topics=[
            CreatableTopicResult(name=topic.name, error_code=error_code) for topic in request.topics
        ]
    )


CREATE_TOPICS = Api(
    key=19,
    name="CreateTopics",
    version_min=0,
    version_max=7,
    flexible_since=5,
    request=CreateTopicsRequest,
    response=CreateTopicsResponse,
    refuse=_refuse,
)
