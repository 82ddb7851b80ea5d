"""OffsetCommit (key 8), versions 0-10: where a group will go on reading.

Versions:
    0: group, partitions
    1: generation and member; a timestamp for each partition
    2: retention_time_ms in place of the timestamps
    3: throttle_time_ms
    4: response sent before throttling (KIP-219)
    5: no retention_time_ms: offsets live as long as their group (KIP-211)
    6: committed_leader_epoch (KIP-320)
    7: group_instance_id, static membership (KIP-345)
    8: flexible encoding (KIP-482)
    9: the member epoch of consumer groups in place of a generation (KIP-848)
    10: topics by topic_id in place of names (KIP-848)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import (
    ERROR_CODE,
    INT32,
    INT64,
    STRING,
    UUID,
    ZERO_UUID,
    ArrayOf,
    message,
    wire,
)


@message
class OffsetCommitRequestPartition:
    partition_index: int = wire(INT32)
    committed_offset: int = wire(INT64)
    commit_timestamp: int = wire(INT64, since=1, until=1, default=-1)
    committed_leader_epoch: int = wire(INT32, since=6, default=-1)
    committed_metadata: str | None = wire(STRING, nullable_since=0)


@message
class OffsetCommitRequestTopic:
    name: str = wire(STRING, until=9, default="")
    topic_id: bytes = wire(UUID, since=10, default=ZERO_UUID)
    partitions: Sequence[OffsetCommitRequestPartition] = wire(ArrayOf(OffsetCommitRequestPartition))


@message
class OffsetCommitRequest:
    """Without a member (generation -1, empty id): a consumer that assigns itself."""

    group_id: str = wire(STRING)
    generation_id_or_member_epoch: int = wire(INT32, since=1, default=-1)
    member_id: str = wire(STRING, since=1, default="")
    group_instance_id: str | None = wire(STRING, since=7, default=None, nullable_since=7)
    retention_time_ms: int = wire(INT64, since=2, until=4, default=-1)
    topics: Sequence[OffsetCommitRequestTopic] = wire(ArrayOf(OffsetCommitRequestTopic))


@message
class OffsetCommitResponsePartition:
    partition_index: int = wire(INT32)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)


@message
class OffsetCommitResponseTopic:
    name: str = wire(STRING, until=9, default="")
    topic_id: bytes = wire(UUID, since=10, default=ZERO_UUID)
    partitions: Sequence[OffsetCommitResponsePartition] = wire(
        ArrayOf(OffsetCommitResponsePartition)
    )


@message
class OffsetCommitResponse:
    throttle_time_ms: int = wire(INT32, since=3, default=0)
    topics: Sequence[OffsetCommitResponseTopic] = wire(ArrayOf(OffsetCommitResponseTopic))


def _refuse(request: OffsetCommitRequest, error_code: ErrorCode) -> OffsetCommitResponse:
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[
                    OffsetCommitResponsePartition(
                        partition_index=partition.partition_index, error_code=error_code
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


OFFSET_COMMIT = Api(
    key=8,
    name="OffsetCommit",
    version_min=0,
    version_max=10,
    flexible_since=8,
    request=OffsetCommitRequest,
    response=OffsetCommitResponse,
    refuse=_refuse,
)
