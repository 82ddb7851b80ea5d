"""DeleteGroups (key 42), versions 0-3: forgets groups that have no members, with their offsets.

Versions:
    0: group names
    1: response sent before throttling (KIP-219)
    2: flexible encoding (KIP-482)
    3: error_message, which is null where the code says all
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ERROR_CODE, INT32, STRING, ArrayOf, message, wire


@message
class DeleteGroupsRequest:
    groups_names: Sequence[str] = wire(ArrayOf(STRING))


@message
class DeletableGroupResult:
    group_id: str = wire(STRING)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    error_message: str | None = wire(STRING, since=3, nullable_since=3, default=None)


@message
class DeleteGroupsResponse:
    throttle_time_ms: int = wire(INT32, default=0)
    results: Sequence[DeletableGroupResult] = wire(ArrayOf(DeletableGroupResult))


def _refuse(request: DeleteGroupsRequest, error_code: ErrorCode) -> DeleteGroupsResponse:
    return DeleteGroupsResponse(
        results=[
            DeletableGroupResult(group_id=group_id, error_code=error_code)
            for group_id in request.groups_names
        ]
    )


DELETE_GROUPS = Api(
    key=42,
    name="DeleteGroups",
    version_min=0,
    version_max=3,
    flexible_since=2,
    request=DeleteGroupsRequest,
    response=DeleteGroupsResponse,
    refuse=_refuse,
)
