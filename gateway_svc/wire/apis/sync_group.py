"""SyncGroup (key 14), versions 0-5: the leader sends, and each member gets its assignment.

Versions:
    0: group, generation, member, assignments
    1: throttle_time_ms
    2: response sent before throttling (KIP-219)
    3: group_instance_id, static membership (KIP-345)
    4: flexible encoding (KIP-482)
    5: protocol_type and protocol_name, to be checked (KIP-559)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import BYTES, ERROR_CODE, INT32, STRING, ArrayOf, message, wire


@message
class SyncGroupRequestAssignment:
    member_id: str = wire(STRING)
    assignment: bytes = wire(BYTES)


@message
class SyncGroupRequest:
    group_id: str = wire(STRING)
    generation_id: int = wire(INT32)
    member_id: str = wire(STRING)
    group_instance_id: str | None = wire(STRING, since=3, default=None, nullable_since=3)
    protocol_type: str | None = wire(STRING, since=5, default=None, nullable_since=5)
    protocol_name: str | None = wire(STRING, since=5, default=None, nullable_since=5)
    assignments: Sequence[SyncGroupRequestAssignment] = wire(ArrayOf(SyncGroupRequestAssignment))


@message
class SyncGroupResponse:
    throttle_time_ms: int = wire(INT32, since=1, default=0)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    protocol_type: str | None = wire(STRING, since=5, default=None, nullable_since=5)
    protocol_name: str | None = wire(STRING, since=5, default=None, nullable_since=5)
    assignment: bytes = wire(BYTES, default=b"")


def _refuse(_: SyncGroupRequest, error_code: ErrorCode) -> SyncGroupResponse:
    return SyncGroupResponse(error_code=error_code)


SYNC_GROUP = Api(
    key=14,
    name="SyncGroup",
    version_min=0,
    version_max=5,
    flexible_since=4,
    request=SyncGroupRequest,
    response=SyncGroupResponse,
    refuse=_refuse,
)
