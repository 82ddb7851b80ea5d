"""Heartbeat (key 12), versions 0-4: keeps a member of a classic group alive.

Versions:
    0: group, generation, member
    1: throttle_time_ms
    2: response sent before throttling (KIP-219)
    3: group_instance_id, static membership (KIP-345)
    4: flexible encoding (KIP-482)
"""

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ERROR_CODE, INT32, STRING, message, wire


@message
class HeartbeatRequest:
    group_id: str = wire(STRING)
    generation_id: int = wire(INT32)
    member_id: str = wire(STRING)
    group_instance_id: str | None = wire(STRING, since=3, default=None, nullable_since=3)


@message
class HeartbeatResponse:
    throttle_time_ms: int = wire(INT32, since=1, default=0)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)


def _refuse(_: HeartbeatRequest, error_code: ErrorCode) -> HeartbeatResponse:
    return HeartbeatResponse(error_code=error_code)


HEARTBEAT = Api(
    key=12,
    name="Heartbeat",
    version_min=0,
    version_max=4,
    flexible_since=4,
    request=HeartbeatRequest,
    response=HeartbeatResponse,
    refuse=_refuse,
)
