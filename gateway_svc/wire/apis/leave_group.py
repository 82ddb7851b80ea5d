"""LeaveGroup (key 13), versions 0-5: members leave a classic group at once.

Versions:
    0: one member
    1: throttle_time_ms
    2: response sent before throttling (KIP-219)
    3: several members, also by group_instance_id (KIP-345)
    4: flexible encoding (KIP-482)
    5: reason (KIP-800)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ERROR_CODE, INT32, STRING, ArrayOf, message, wire


@message
class MemberIdentity:
    """An empty `member_id` with an instance id names the current member of that instance id."""

    member_id: str = wire(STRING)
    group_instance_id: str | None = wire(STRING, default=None, nullable_since=3)
    reason: str | None = wire(STRING, since=5, default=None, nullable_since=5)


@message
class LeaveGroupRequest:
    """`member_id` up to version 2, `members` from 3 on."""

    group_id: str = wire(STRING)
    member_id: str = wire(STRING, until=2, default="")
    members: Sequence[MemberIdentity] = wire(ArrayOf(MemberIdentity), since=3, default=())


@message
class MemberResponse:
    member_id: str = wire(STRING)
    group_instance_id: str | None = wire(STRING, default=None, nullable_since=3)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)


@message
class LeaveGroupResponse:
    throttle_time_ms: int = wire(INT32, since=1, default=0)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    members: Sequence[MemberResponse] = wire(ArrayOf(MemberResponse), since=3, default=())


def _refuse(_: LeaveGroupRequest, error_code: ErrorCode) -> LeaveGroupResponse:
    return LeaveGroupResponse(error_code=error_code)


LEAVE_GROUP = Api(
    key=13,
    name="LeaveGroup",
    version_min=0,
    version_max=5,
    flexible_since=4,
    request=LeaveGroupRequest,
    response=LeaveGroupResponse,
    refuse=_refuse,
)
