"""ListOffsets (key 2), versions 0-11: the offset of a partition's start, end, or some time.

Versions:
    0: up to max_num_offsets offsets, newest first, in old_style_offsets
    1: one offset and its timestamp (KIP-79)
    2: isolation_level and throttle_time_ms (KIP-98)
    3: response sent before throttling (KIP-219)
    4: current_leader_epoch and leader_epoch (KIP-320)
    5: OFFSET_NOT_AVAILABLE may be returned (KIP-207)
    6: flexible encoding (KIP-482)
    7: timestamp -3, the record with the largest timestamp (KIP-734)
    8: timestamp -4, the start of what is stored locally (KIP-405)
    9: timestamp -5, the end of what is stored remotely (KIP-1005)
    10: timeout_ms, for remote storage (KIP-1075)
    11: timestamp -6, the start of what is not yet stored remotely (KIP-1023)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ERROR_CODE, INT8, INT32, INT64, STRING, ArrayOf, message, wire


@message
class ListOffsetsPartition:
    partition_index: int = wire(INT32)
    current_leader_epoch: int = wire(INT32, since=4, default=-1)
    timestamp: int = wire(INT64)
    max_num_offsets: int = wire(INT32, until=0, default=1)


@message
class ListOffsetsTopic:
    name: str = wire(STRING)
    partitions: Sequence[ListOffsetsPartition] = wire(ArrayOf(ListOffsetsPartition))


@message
class ListOffsetsRequest:
    replica_id: int = wire(INT32, default=-1)
    isolation_level: int = wire(INT8, since=2, default=0)
    topics: Sequence[ListOffsetsTopic] = wire(ArrayOf(ListOffsetsTopic))
    timeout_ms: int = wire(INT32, since=10, default=0)


@message
class ListOffsetsPartitionResponse:
    """`old_style_offsets` is for version 0; timestamp and offset, -1 where none, all others."""

    partition_index: int = wire(INT32)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    old_style_offsets: Sequence[int] = wire(ArrayOf(INT64), until=0, default=())
    timestamp: int = wire(INT64, since=1, default=-1)
    offset: int = wire(INT64, since=1, default=-1)
    leader_epoch: int = wire(INT32, since=4, default=-1)


@message
class ListOffsetsTopicResponse:
    name: str = wire(STRING)
    partitions: Sequence[ListOffsetsPartitionResponse] = wire(ArrayOf(ListOffsetsPartitionResponse))


@message
class ListOffsetsResponse:
    throttle_time_ms: int = wire(INT32, since=2, default=0)
    topics: Sequence[ListOffsetsTopicResponse] = wire(ArrayOf(ListOffsetsTopicResponse))


def _refuse(request: ListOffsetsRequest, error_code: ErrorCode) -> ListOffsetsResponse:
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(
                name=topic.name,
                partitions=[
                    ListOffsetsPartitionResponse(
                        partition_index=partition.partition_index, error_code=error_code
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


LIST_OFFSETS = Api(
    key=2,
    name="ListOffsets",
    version_min=0,
    version_max=11,
    flexible_since=6,
    request=ListOffsetsRequest,
    response=ListOffsetsResponse,
    refuse=_refuse,
)
