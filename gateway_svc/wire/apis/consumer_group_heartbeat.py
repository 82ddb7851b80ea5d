"""ConsumerGroupHeartbeat (key 68), versions 0-1: a member of a consumer group says what it has.

The response has its assignment: in consumer groups the coordinator assigns (KIP-848).

Versions:
    0: the coordinator gives members their ids
    1: subscribed_topic_regex; members make their ids themselves (KIP-1082)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ERROR_CODE, INT32, STRING, UUID, ArrayOf, message, wire


@message
class TopicPartitions:
    topic_id: bytes = wire(UUID)
    partitions: Sequence[int] = wire(ArrayOf(INT32))


@message
class ConsumerGroupHeartbeatRequest:
    """None, and -1 for the timeout: as in the heartbeat before.

    `member_epoch` 0 joins, -1 leaves, -2 leaves for a while as a static member.
    """

    group_id: str = wire(STRING)
    member_id: str = wire(STRING)
    member_epoch: int = wire(INT32)
    instance_id: str | None = wire(STRING, default=None, nullable_since=0)
    rack_id: str | None = wire(STRING, default=None, nullable_since=0)
    rebalance_timeout_ms: int = wire(INT32, default=-1)
    subscribed_topic_names: Sequence[str] | None = wire(
        ArrayOf(STRING), default=None, nullable_since=0
    )
    subscribed_topic_regex: str | None = wire(STRING, since=1, default=None, nullable_since=1)
    server_assignor: str | None = wire(STRING, default=None, nullable_since=0)
    topic_partitions: Sequence[TopicPartitions] | None = wire(
        ArrayOf(TopicPartitions), default=None, nullable_since=0
    )


@message
class Assignment:
    topic_partitions: Sequence[TopicPartitions] = wire(ArrayOf(TopicPartitions))


@message
class ConsumerGroupHeartbeatResponse:
    """`assignment` None: as in the previous response."""

    throttle_time_ms: int = wire(INT32, default=0)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    error_message: str | None = wire(STRING, default=None, nullable_since=0)
    member_id: str | None = wire(STRING, default=None, nullable_since=0)
    member_epoch: int = wire(INT32, default=0)
    heartbeat_interval_ms: int = wire(INT32, default=0)
    assignment: Assignment | None = wire(Assignment, default=None, nullable_since=0)


def _refuse(
    _: ConsumerGroupHeartbeatRequest, error_code: ErrorCode
) -> ConsumerGroupHeartbeatResponse:
    return ConsumerGroupHeartbeatResponse(error_code=error_code)


CONSUMER_GROUP_HEARTBEAT = Api(
    key=68,
    name="ConsumerGroupHeartbeat",
    version_min=0,
    version_max=1,
    flexible_since=0,
    request=ConsumerGroupHeartbeatRequest,
    response=ConsumerGroupHeartbeatResponse,
    refuse=_refuse,
)
