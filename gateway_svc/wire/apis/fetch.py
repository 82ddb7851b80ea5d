"""Fetch (key 1), versions 0-18: reads record batches, and waits for them if requested.

Versions:
    0: returns message sets of magic 0
    1: throttle_time_ms in the response
    2: returns message sets of magic 1 (KIP-32)
    3: max_bytes for the whole response; partitions are served in the order of the request (KIP-74)
    4: isolation_level, last_stable_offset, aborted_transactions; batches of magic 2 (KIP-98)
    5: log_start_offset (KIP-107)
    6: KAFKA_STORAGE_ERROR may be returned (KIP-112)
    7: sessions and incremental requests (KIP-227)
    8: response sent before throttling (KIP-219)
    9: current_leader_epoch (KIP-320)
    10: records may be compressed with zstd (KIP-110)
    11: rack_id and preferred_read_replica (KIP-392)
    12: flexible encoding (KIP-482); last_fetched_epoch and what diverges (KIP-595)
    13: topic_id instead of topic (KIP-516)
    14: OFFSET_MOVED_TO_TIERED_STORAGE may be returned (KIP-405)
    15: replica_state instead of replica_id (KIP-903)
    16: node_endpoints in the response (KIP-951)
    17: replica_directory_id (KIP-853)
    18: high_watermark in the request (KIP-1166)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import (
    ERROR_CODE,
    INT8,
    INT32,
    INT64,
    RECORDS,
    STRING,
    UUID,
    ZERO_UUID,
    ArrayOf,
    RecordChunks,
    message,
    wire,
)


@message
class ReplicaState:
    replica_id: int = wire(INT32, default=-1)
    replica_epoch: int = wire(INT64, default=-1)


@message
class FetchPartition:
    partition: int = wire(INT32)
    current_leader_epoch: int = wire(INT32, since=9, default=-1)
    fetch_offset: int = wire(INT64)
    last_fetched_epoch: int = wire(INT32, since=12, default=-1)
    log_start_offset: int = wire(INT64, since=5, default=-1)
    partition_max_bytes: int = wire(INT32)
    replica_directory_id: bytes = wire(UUID, since=17, tag=0, default=ZERO_UUID)
    high_watermark: int = wire(INT64, since=18, tag=1, default=2**63 - 1)


@message
class FetchTopic:
    topic: str = wire(STRING, until=12, default="")
    topic_id: bytes = wire(UUID, since=13, default=ZERO_UUID)
    partitions: Sequence[FetchPartition] = wire(ArrayOf(FetchPartition))


@message
class ForgottenTopic:
    topic: str = wire(STRING, until=12, default="")
    topic_id: bytes = wire(UUID, since=13, default=ZERO_UUID)
    partitions: Sequence[int] = wire(ArrayOf(INT32))


@message
class FetchRequest:
    """`isolation_level`: 0 reads uncommitted, 1 reads committed. `replica_id` is -1 for clients."""

    cluster_id: str | None = wire(STRING, since=12, nullable_since=12, tag=0, default=None)
    replica_id: int = wire(INT32, until=14, default=-1)
    replica_state: ReplicaState | None = wire(ReplicaState, since=15, tag=1, default=None)
    max_wait_ms: int = wire(INT32)
    min_bytes: int = wire(INT32)
    max_bytes: int = wire(INT32, since=3, default=2**31 - 1)
    isolation_level: int = wire(INT8, since=4, default=0)
    session_id: int = wire(INT32, since=7, default=0)
    session_epoch: int = wire(INT32, since=7, default=-1)
    topics: Sequence[FetchTopic] = wire(ArrayOf(FetchTopic))
    forgotten_topics_data: Sequence[ForgottenTopic] = wire(
        ArrayOf(ForgottenTopic), since=7, default=()
    )
    rack_id: str = wire(STRING, since=11, default="")


@message
class EpochEndOffset:
    epoch: int = wire(INT32, default=-1)
    end_offset: int = wire(INT64, default=-1)


@message
class LeaderIdAndEpoch:
    leader_id: int = wire(INT32, default=-1)
    leader_epoch: int = wire(INT32, default=-1)


@message
class SnapshotId:
    end_offset: int = wire(INT64, default=-1)
    epoch: int = wire(INT32, default=-1)


@message
class AbortedTransaction:
    producer_id: int = wire(INT64)
    first_offset: int = wire(INT64)


@message
class PartitionData:
    """`aborted_transactions` is None for readers of uncommitted records."""

    partition_index: int = wire(INT32)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    high_watermark: int = wire(INT64, default=-1)
    last_stable_offset: int = wire(INT64, since=4, default=-1)
    log_start_offset: int = wire(INT64, since=5, default=-1)
    diverging_epoch: EpochEndOffset | None = wire(EpochEndOffset, since=12, tag=0, default=None)
    current_leader: LeaderIdAndEpoch | None = wire(LeaderIdAndEpoch, since=12, tag=1, default=None)
    snapshot_id: SnapshotId | None = wire(SnapshotId, since=12, tag=2, default=None)
    aborted_transactions: Sequence[AbortedTransaction] | None = wire(
        ArrayOf(AbortedTransaction), since=4, nullable_since=4, default=None
    )
    preferred_read_replica: int = wire(INT32, since=11, default=-1)
    records: RecordChunks = wire(RECORDS, nullable_since=0, default=b"")


@message
class FetchableTopicResponse:
    topic: str = wire(STRING, until=12, default="")
    topic_id: bytes = wire(UUID, since=13, default=ZERO_UUID)
    partitions: Sequence[PartitionData] = wire(ArrayOf(PartitionData))


@message
class NodeEndpoint:
    node_id: int = wire(INT32)
    host: str = wire(STRING)
    port: int = wire(INT32)
    rack: str | None = wire(STRING, nullable_since=0, default=None)


@message
class FetchResponse:
    """`session_id` 0: this request made no session, the next one must ask for everything."""

    throttle_time_ms: int = wire(INT32, since=1, default=0)
    error_code: ErrorCode = wire(ERROR_CODE, since=7, default=ErrorCode.NONE)
    session_id: int = wire(INT32, since=7, default=0)
    responses: Sequence[FetchableTopicResponse] = wire(ArrayOf(FetchableTopicResponse))
    node_endpoints: Sequence[NodeEndpoint] = wire(
        ArrayOf(NodeEndpoint), since=16, tag=0, default=()
    )


def _refuse(request: FetchRequest, error_code: ErrorCode) -> FetchResponse:
    return FetchResponse(
        error_code=error_code,
        responses=[
            FetchableTopicResponse(
                topic=topic.topic,
                topic_id=topic.topic_id,
                partitions=[
                    PartitionData(partition_index=partition.partition, error_code=error_code)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )


FETCH = Api(
    key=1,
    name="Fetch",
    version_min=0,
    version_max=18,
    flexible_since=12,
    request=FetchRequest,
    response=FetchResponse,
    refuse=_refuse,
)
