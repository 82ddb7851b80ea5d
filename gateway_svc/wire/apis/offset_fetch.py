"""OffsetFetch (key 9), versions 0-10: where groups will go on reading.

Versions:
    0: one group, partitions
    1: offsets that were committed to Kafka, not to ZooKeeper: the same here
    2: topics may be null, for all; error_code of the whole
    3: throttle_time_ms
    4: response sent before throttling (KIP-219)
    5: committed_leader_epoch (KIP-320)
    6: flexible encoding (KIP-482)
    7: require_stable (KIP-447)
    8: several groups in one request (KIP-709)
    9: member_id and member_epoch of consumer groups (KIP-848)
    10: topics by topic_id in place of names (KIP-848)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import (
    BOOL,
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
class OffsetFetchRequestTopic:
    name: str = wire(STRING)
    partition_indexes: Sequence[int] = wire(ArrayOf(INT32))


@message
class OffsetFetchRequestTopics:
    name: str = wire(STRING, until=9, default="")
    topic_id: bytes = wire(UUID, since=10, default=ZERO_UUID)
    partition_indexes: Sequence[int] = wire(ArrayOf(INT32))


@message
class OffsetFetchRequestGroup:
    """`topics` None: every partition for which the group has an offset."""

    group_id: str = wire(STRING)
    member_id: str | None = wire(STRING, since=9, default=None, nullable_since=9)
    member_epoch: int = wire(INT32, since=9, default=-1)
    topics: Sequence[OffsetFetchRequestTopics] | None = wire(
        ArrayOf(OffsetFetchRequestTopics), nullable_since=8
    )


@message
class OffsetFetchRequest:
    """`group_id` and `topics` up to version 7, `groups` from 8 on."""

    group_id: str = wire(STRING, until=7, default="")
    topics: Sequence[OffsetFetchRequestTopic] | None = wire(
        ArrayOf(OffsetFetchRequestTopic), until=7, default=(), nullable_since=2
    )
    groups: Sequence[OffsetFetchRequestGroup] = wire(
        ArrayOf(OffsetFetchRequestGroup), since=8, default=()
    )
    require_stable: bool = wire(BOOL, since=7, default=False)


@message
class OffsetFetchResponsePartition:
    partition_index: int = wire(INT32)
    committed_offset: int = wire(INT64, default=-1)
    committed_leader_epoch: int = wire(INT32, since=5, default=-1)
    metadata: str | None = wire(STRING, default="", nullable_since=0)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)


@message
class OffsetFetchResponseTopic:
    name: str = wire(STRING)
    partitions: Sequence[OffsetFetchResponsePartition] = wire(ArrayOf(OffsetFetchResponsePartition))


@message
class OffsetFetchResponsePartitions:
    """Offset -1 with no error: the group has none."""

    partition_index: int = wire(INT32)
    committed_offset: int = wire(INT64, default=-1)
    committed_leader_epoch: int = wire(INT32, default=-1)
    metadata: str | None = wire(STRING, default="", nullable_since=8)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)


@message
class OffsetFetchResponseTopics:
    name: str = wire(STRING, until=9, default="")
    topic_id: bytes = wire(UUID, since=10, default=ZERO_UUID)
    partitions: Sequence[OffsetFetchResponsePartitions] = wire(
        ArrayOf(OffsetFetchResponsePartitions)
    )


@message
class OffsetFetchResponseGroup:
    group_id: str = wire(STRING)
    topics: Sequence[OffsetFetchResponseTopics] = wire(ArrayOf(OffsetFetchResponseTopics))
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)


@message
class OffsetFetchResponse:
    """`topics` and `error_code` up to version 7, `groups` from 8 on."""

    throttle_time_ms: int = wire(INT32, since=3, default=0)
    topics: Sequence[OffsetFetchResponseTopic] = wire(
        ArrayOf(OffsetFetchResponseTopic), until=7, default=()
    )
    error_code: ErrorCode = wire(ERROR_CODE, since=2, until=7, default=ErrorCode.NONE)
    groups: Sequence[OffsetFetchResponseGroup] = wire(
        ArrayOf(OffsetFetchResponseGroup), since=8, default=()
    )


def _refuse(request: OffsetFetchRequest, error_code: ErrorCode) -> OffsetFetchResponse:
    """Partitions bear the error too: versions 0 and 1 have no other place for it."""
    return OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetFetchResponsePartition(partition_index=index, error_code=error_code)
                    for index in topic.partition_indexes
                ],
            )
            for topic in request.topics or ()
        ],
        error_code=error_code,
        groups=[
            OffsetFetchResponseGroup(group_id=group.group_id, topics=[], error_code=error_code)
            for group in request.groups
        ],
    )


OFFSET_FETCH = Api(
    key=9,
    name="OffsetFetch",
    version_min=0,
    version_max=10,
    flexible_since=6,
    request=OffsetFetchRequest,
    response=OffsetFetchResponse,
    refuse=_refuse,
)
