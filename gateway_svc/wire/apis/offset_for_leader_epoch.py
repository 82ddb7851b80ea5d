"""OffsetForLeaderEpoch (key 23), versions 0-4: where the records of a leader epoch end (KIP-101).

Consumers ask after a change of leader, to see whether what they read is still in the log (KIP-320).

Versions:
    0: an error code and an offset for each partition
    1: leader_epoch in the response (KIP-279)
    2: current_leader_epoch, and throttle_time_ms in the response (KIP-320)
    3: replica_id: -1 a consumer, -2 a consumer for debugging
    4: flexible encoding (KIP-482)
"""

from collections.abc import Sequence
from typing import Final

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ERROR_CODE, INT32, INT64, STRING, ArrayOf, message, wire

#: Reads although it is no replica; what requests without a replica id stand for.
DEBUGGING_REPLICA_ID: Final = -2


@message
class OffsetForLeaderPartition:
    """`leader_epoch` is the requested one, `current_leader_epoch` the one that the client knows.

    The latter is -1 where it is not to be checked.
    """

    partition: int = wire(INT32)
    current_leader_epoch: int = wire(INT32, since=2, default=-1)
    leader_epoch: int = wire(INT32)


@message
class OffsetForLeaderTopic:
    topic: str = wire(STRING)
    partitions: Sequence[OffsetForLeaderPartition] = wire(ArrayOf(OffsetForLeaderPartition))


@message
class OffsetForLeaderEpochRequest:
    replica_id: int = wire(INT32, since=3, default=DEBUGGING_REPLICA_ID)
    topics: Sequence[OffsetForLeaderTopic] = wire(ArrayOf(OffsetForLeaderTopic))


@message
class EpochEndOffset:
    """The largest epoch up to the requested one, and its end offset; -1, -1 if there is none."""

    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    partition: int = wire(INT32)
    leader_epoch: int = wire(INT32, since=1, default=-1)
    end_offset: int = wire(INT64, default=-1)


@message
class OffsetForLeaderTopicResult:
    topic: str = wire(STRING)
    partitions: Sequence[EpochEndOffset] = wire(ArrayOf(EpochEndOffset))


@message
class OffsetForLeaderEpochResponse:
    throttle_time_ms: int = wire(INT32, since=2, default=0)
    topics: Sequence[OffsetForLeaderTopicResult] = wire(ArrayOf(OffsetForLeaderTopicResult))


def _refuse(
    request: OffsetForLeaderEpochRequest, error_code: ErrorCode
) -> OffsetForLeaderEpochResponse:
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=[
                    EpochEndOffset(error_code=error_code, partition=partition.partition)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


OFFSET_FOR_LEADER_EPOCH = Api(
    key=23,
    name="OffsetForLeaderEpoch",
    version_min=0,
    version_max=4,
    flexible_since=4,
    request=OffsetForLeaderEpochRequest,
    response=OffsetForLeaderEpochResponse,
    refuse=_refuse,
)
