"""Produce (key 0), versions 0-13: appends record batches to partitions.

Versions:
    0: message sets of magic 0 and 1 (KIP-32), acks and timeout
    1: throttle_time_ms in the response
    2: log_append_time_ms in the response
    3: transactional_id; record batches of magic 2 (KIP-98)
    4: KAFKA_STORAGE_ERROR may be returned (KIP-112)
    5: log_start_offset in the response (KIP-107)
    7: records may be compressed with zstd (KIP-110)
    8: record_errors and error_message in the response (KIP-467)
    9: flexible encoding (KIP-482)
    10: current_leader and node_endpoints in the response (KIP-951)
    11: TRANSACTION_ABORTABLE may be returned (KIP-890)
    12: part of the second transaction protocol (KIP-890); nothing changes in the bytes
    13: topic_id instead of name (KIP-516)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import (
    ERROR_CODE,
    INT16,
    INT32,
    INT64,
    RECORDS,
    STRING,
    UUID,
    ZERO_UUID,
    ArrayOf,
    message,
    wire,
)


@message
class PartitionProduceData:
    index: int = wire(INT32)
    records: bytes | memoryview | None = wire(RECORDS, nullable_since=0)


@message
class TopicProduceData:
    name: str = wire(STRING, until=12, default="")
    topic_id: bytes = wire(UUID, since=13, default=ZERO_UUID)
    partition_data: Sequence[PartitionProduceData] = wire(ArrayOf(PartitionProduceData))


@message
class ProduceRequest:
    """`acks`: -1 all, 1 the leader, 0 none, and then there is no response."""

    transactional_id: str | None = wire(STRING, since=3, nullable_since=3, default=None)
    acks: int = wire(INT16)
    timeout_ms: int = wire(INT32)
    topic_data: Sequence[TopicProduceData] = wire(ArrayOf(TopicProduceData))


@message
class BatchIndexAndErrorMessage:
    batch_index: int = wire(INT32)
    batch_index_error_message: str | None = wire(STRING, nullable_since=8, default=None)


@message
class LeaderIdAndEpoch:
    leader_id: int = wire(INT32, default=-1)
    leader_epoch: int = wire(INT32, default=-1)


@message
class PartitionProduceResponse:
    """`log_append_time_ms` is -1 where the records keep the producer's timestamps."""

    index: int = wire(INT32)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    base_offset: int = wire(INT64, default=-1)
    log_append_time_ms: int = wire(INT64, since=2, default=-1)
    log_start_offset: int = wire(INT64, since=5, default=-1)
    record_errors: Sequence[BatchIndexAndErrorMessage] = wire(
        ArrayOf(BatchIndexAndErrorMessage), since=8, default=()
    )
    error_message: str | None = wire(STRING, since=8, nullable_since=8, default=None)
    current_leader: LeaderIdAndEpoch | None = wire(LeaderIdAndEpoch, since=10, tag=0, default=None)


@message
class TopicProduceResponse:
    name: str = wire(STRING, until=12, default="")
    topic_id: bytes = wire(UUID, since=13, default=ZERO_UUID)
    partition_responses: Sequence[PartitionProduceResponse] = wire(
        ArrayOf(PartitionProduceResponse)
    )


@message
class NodeEndpoint:
    node_id: int = wire(INT32)
    host: str = wire(STRING)
    port: int = wire(INT32)
    rack: str | None = wire(STRING, nullable_since=0, default=None)


@message
class ProduceResponse:
    responses: Sequence[TopicProduceResponse] = wire(ArrayOf(TopicProduceResponse))
    throttle_time_ms: int = wire(INT32, since=1, default=0)
    node_endpoints: Sequence[NodeEndpoint] = wire(
        ArrayOf(NodeEndpoint), since=10, tag=0, default=()
    )


def _refuse(request: ProduceRequest, error_code: ErrorCode) -> ProduceResponse:
    return ProduceResponse(
        responses=[
            TopicProduceResponse(
                name=topic.name,
                topic_id=topic.topic_id,
                partition_responses=[
                    PartitionProduceResponse(index=partition.index, error_code=error_code)
                    for partition in topic.partition_data
                ],
            )
            for topic in request.topic_data
        ]
    )


PRODUCE = Api(
    key=0,
    name="Produce",
    version_min=0,
    version_max=13,
    flexible_since=9,
    request=ProduceRequest,
    response=ProduceResponse,
    refuse=_refuse,
)
