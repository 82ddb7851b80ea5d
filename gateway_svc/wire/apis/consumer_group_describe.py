"""ConsumerGroupDescribe (key 69), versions 0-1: state and members of consumer groups (KIP-848).

Versions:
    0: groups
    1: member_type: whether a member speaks the classic protocol (KIP-1099)
"""

from collections.abc import Sequence
from typing import Final

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import (
    BOOL,
    ERROR_CODE,
    INT8,
    INT32,
    STRING,
    UUID,
    ArrayOf,
    message,
    wire,
)

#: Authorized operations were not requested.
OPERATIONS_UNKNOWN: Final = -(2**31)


@message
class ConsumerGroupDescribeRequest:
    group_ids: Sequence[str] = wire(ArrayOf(STRING))
    include_authorized_operations: bool = wire(BOOL, default=False)


@message
class TopicPartitions:
    topic_id: bytes = wire(UUID)
    topic_name: str = wire(STRING)
    partitions: Sequence[int] = wire(ArrayOf(INT32))


@message
class Assignment:
    topic_partitions: Sequence[TopicPartitions] = wire(ArrayOf(TopicPartitions))


@message
class Member:
    """`member_type` -1 unknown, 0 classic, 1 consumer."""

    member_id: str = wire(STRING)
    instance_id: str | None = wire(STRING, default=None, nullable_since=0)
    rack_id: str | None = wire(STRING, default=None, nullable_since=0)
    member_epoch: int = wire(INT32)
    client_id: str = wire(STRING)
    client_host: str = wire(STRING)
    subscribed_topic_names: Sequence[str] = wire(ArrayOf(STRING))
    subscribed_topic_regex: str | None = wire(STRING, default=None, nullable_since=0)
    assignment: Assignment = wire(Assignment)
    target_assignment: Assignment = wire(Assignment)
    member_type: int = wire(INT8, since=1, default=-1)


@message
class DescribedGroup:
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    error_message: str | None = wire(STRING, default=None, nullable_since=0)
    group_id: str = wire(STRING)
    group_state: str = wire(STRING, default="")
    group_epoch: int = wire(INT32, default=0)
    assignment_epoch: int = wire(INT32, default=0)
    assignor_name: str = wire(STRING, default="")
    members: Sequence[Member] = wire(ArrayOf(Member), default=())
    authorized_operations: int = wire(INT32, default=OPERATIONS_UNKNOWN)


@message
class ConsumerGroupDescribeResponse:
    throttle_time_ms: int = wire(INT32, default=0)
    groups: Sequence[DescribedGroup] = wire(ArrayOf(DescribedGroup))


def _refuse(
    request: ConsumerGroupDescribeRequest, error_code: ErrorCode
) -> ConsumerGroupDescribeResponse:
    return ConsumerGroupDescribeResponse(
        groups=[
            DescribedGroup(group_id=group_id, error_code=error_code)
            for group_id in request.group_ids
        ]
    )


CONSUMER_GROUP_DESCRIBE = Api(
    key=69,
    name="ConsumerGroupDescribe",
    version_min=0,
    version_max=1,
    flexible_since=0,
    request=ConsumerGroupDescribeRequest,
    response=ConsumerGroupDescribeResponse,
    refuse=_refuse,
)
