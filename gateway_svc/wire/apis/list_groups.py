"""ListGroups (key 16), versions 0-5: the groups that a broker coordinates.

Versions:
    0: all groups
    1: throttle_time_ms
    2: response sent before throttling (KIP-219)
    3: flexible encoding (KIP-482)
    4: states_filter and group_state (KIP-518)
    5: types_filter and group_type (KIP-848)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ERROR_CODE, INT32, STRING, ArrayOf, message, wire


@message
class ListGroupsRequest:
    """Empty filters let everything through."""

    states_filter: Sequence[str] = wire(ArrayOf(STRING), since=4, default=())
    types_filter: Sequence[str] = wire(ArrayOf(STRING), since=5, default=())


@message
class ListedGroup:
    group_id: str = wire(STRING)
    protocol_type: str = wire(STRING)
    group_state: str = wire(STRING, since=4, default="")
    group_type: str = wire(STRING, since=5, default="")


@message
class ListGroupsResponse:
    throttle_time_ms: int = wire(INT32, since=1, default=0)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    groups: Sequence[ListedGroup] = wire(ArrayOf(ListedGroup), default=())


def _refuse(_: ListGroupsRequest, error_code: ErrorCode) -> ListGroupsResponse:
    return ListGroupsResponse(error_code=error_code)


LIST_GROUPS = Api(
    key=16,
    name="ListGroups",
    version_min=0,
    version_max=5,
    flexible_since=3,
    request=ListGroupsRequest,
    response=ListGroupsResponse,
    refuse=_refuse,
)
