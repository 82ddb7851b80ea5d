"""JoinGroup (key 11), versions 0-9: a member enters a classic group, or a new generation of it.

Versions:
    0: group, session timeout, member, protocols
    1: rebalance_timeout_ms (KIP-62)
    2: throttle_time_ms
    3: response sent before throttling (KIP-219)
    4: members without an id get one with MEMBER_ID_REQUIRED and join again (KIP-394)
    5: group_instance_id, static membership (KIP-345)
    6: flexible encoding (KIP-482)
    7: protocol_type in the response (KIP-559)
    8: reason (KIP-800)
    9: skip_assignment (KIP-814)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import BOOL, BYTES, ERROR_CODE, INT32, STRING, ArrayOf, message, wire


@message
class JoinGroupRequestProtocol:
    """An assignor that the member knows, and its metadata for the leader."""

    name: str = wire(STRING)
    metadata: bytes = wire(BYTES)


@message
class JoinGroupRequest:
    group_id: str = wire(STRING)
    session_timeout_ms: int = wire(INT32)
    rebalance_timeout_ms: int = wire(INT32, since=1, default=-1)
    member_id: str = wire(STRING)
    group_instance_id: str | None = wire(STRING, since=5, default=None, nullable_since=5)
    protocol_type: str = wire(STRING)
    protocols: Sequence[JoinGroupRequestProtocol] = wire(ArrayOf(JoinGroupRequestProtocol))
    reason: str | None = wire(STRING, since=8, default=None, nullable_since=8)


@message
class JoinGroupResponseMember:
    member_id: str = wire(STRING)
    group_instance_id: str | None = wire(STRING, since=5, default=None, nullable_since=5)
    metadata: bytes = wire(BYTES)


@message
class JoinGroupResponse:
    """`members` are for the leader only: it assigns."""

    throttle_time_ms: int = wire(INT32, since=2, default=0)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    generation_id: int = wire(INT32, default=-1)
    protocol_type: str | None = wire(STRING, since=7, default=None, nullable_since=7)
    protocol_name: str | None = wire(STRING, default="", nullable_since=7)
    leader: str = wire(STRING, default="")
    skip_assignment: bool = wire(BOOL, since=9, default=False)
    member_id: str = wire(STRING, default="")
    members: Sequence[JoinGroupResponseMember] = wire(ArrayOf(JoinGroupResponseMember), default=())


def _refuse(request: JoinGroupRequest, error_code: ErrorCode) -> JoinGroupResponse:
    return JoinGroupResponse(error_code=error_code, member_id=request.member_id)


JOIN_GROUP = Api(
    key=11,
    name="JoinGroup",
    version_min=0,
    version_max=9,
    flexible_since=6,
    request=JoinGroupRequest,
    response=JoinGroupResponse,
    refuse=_refuse,
)
