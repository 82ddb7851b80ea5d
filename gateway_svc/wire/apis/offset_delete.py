"""OffsetDelete (key 47), version 0: forgets committed offsets of a group (KIP-496)."""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ERROR_CODE, INT32, STRING, ArrayOf, message, wire


@message
class OffsetDeleteRequestPartition:
    partition_index: int = wire(INT32)


@message
class OffsetDeleteRequestTopic:
    name: str = wire(STRING)
    partitions: Sequence[OffsetDeleteRequestPartition] = wire(ArrayOf(OffsetDeleteRequestPartition))


@message
class OffsetDeleteRequest:
    group_id: str = wire(STRING)
    topics: Sequence[OffsetDeleteRequestTopic] = wire(ArrayOf(OffsetDeleteRequestTopic))


@message
class OffsetDeleteResponsePartition:
    partition_index: int = wire(INT32)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)


@message
class OffsetDeleteResponseTopic:
    name: str = wire(STRING)
    partitions: Sequence[OffsetDeleteResponsePartition] = wire(
        ArrayOf(OffsetDeleteResponsePartition)
    )


@message
class OffsetDeleteResponse:
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    throttle_time_ms: int = wire(INT32, default=0)
    topics: Sequence[OffsetDeleteResponseTopic] = wire(
        ArrayOf(OffsetDeleteResponseTopic), default=()
    )


def _refuse(_: OffsetDeleteRequest, error_code: ErrorCode) -> OffsetDeleteResponse:
    return OffsetDeleteResponse(error_code=error_code)


OFFSET_DELETE = Api(
    key=47,
    name="OffsetDelete",
    version_min=0,
    version_max=0,
    flexible_since=None,
    request=OffsetDeleteRequest,
    response=OffsetDeleteResponse,
    refuse=_refuse,
)
