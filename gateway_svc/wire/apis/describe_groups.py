"""DescribeGroups (key 15), versions 0-6: state and members of classic groups.

Versions:
    0: groups
    1: throttle_time_ms
    2: response sent before throttling (KIP-219)
    3: include_authorized_operations (KIP-430)
    4: group_instance_id (KIP-345)
    5: flexible encoding (KIP-482)
    6: error_message, and GROUP_ID_NOT_FOUND for a group that is not there (KIP-1043)
"""

from collections.abc import Sequence
from typing import Final

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import BOOL, BYTES, ERROR_CODE, INT32, STRING, ArrayOf, message, wire

#: Authorized operations were not requested.
OPERATIONS_UNKNOWN: Final = -(2**31)


@message
class DescribeGroupsRequest:
    groups: Sequence[str] = wire(ArrayOf(STRING))
    include_authorized_operations: bool = wire(BOOL, since=3, default=False)


@message
class DescribedGroupMember:
    """`member_metadata` is of the protocol that was chosen."""

    member_id: str = wire(STRING)
    group_instance_id: str | None = wire(STRING, since=4, default=None, nullable_since=4)
    client_id: str = wire(STRING)
    client_host: str = wire(STRING)
    member_metadata: bytes = wire(BYTES)
    member_assignment: bytes = wire(BYTES)


@message
class DescribedGroup:
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    error_message: str | None = wire(STRING, since=6, default=None, nullable_since=6)
    group_id: str = wire(STRING)
    group_state: str = wire(STRING, default="")
    protocol_type: str = wire(STRING, default="")
    protocol_data: str = wire(STRING, default="")
    members: Sequence[DescribedGroupMember] = wire(ArrayOf(DescribedGroupMember), default=())
    authorized_operations: int = wire(INT32, since=3, default=OPERATIONS_UNKNOWN)


@message
class DescribeGroupsResponse:
    throttle_time_ms: int = wire(INT32, since=1, default=0)
    groups: Sequence[DescribedGroup] = wire(ArrayOf(DescribedGroup))


def _refuse(request: DescribeGroupsRequest, error_code: ErrorCode) -> DescribeGroupsResponse:
    return DescribeGroupsResponse(
        groups=[
            DescribedGroup(group_id=group_id, error_code=error_code) for group_id in request.groups
        ]
    )


DESCRIBE_GROUPS = Api(
    key=15,
    name="DescribeGroups",
    version_min=0,
    version_max=6,
    flexible_since=5,
    request=DescribeGroupsRequest,
    response=DescribeGroupsResponse,
    refuse=_refuse,
)
