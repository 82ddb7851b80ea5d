"""DescribeGroups: state and members of classic groups."""

from typing import Final

from common.client.groups.fan_out import call_each
from common.ports.classic_groups import DescribedGroup as Found
from common.ports.classic_groups import DescribeGroup
from common.ports.group_errors import GroupRefusal
from common.runtime.cooperative import map_cooperatively
from gateway_svc.cluster.authorized_operations import GROUP_OPERATIONS
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.coordinator_call import refuse_if_unavailable, without_duplicates
from gateway_svc.dispatch.error_codes import GROUP_ERRORS
from gateway_svc.wire.apis.describe_groups import (
    DESCRIBE_GROUPS,
    OPERATIONS_UNKNOWN,
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from gateway_svc.wire.error_code import ErrorCode

#: First version with GROUP_ID_NOT_FOUND; before, a missing group is in state Dead (KIP-1043).
_NOT_FOUND_SINCE: Final = 6
_DEAD: Final = "Dead"


@refuse_if_unavailable(DESCRIBE_GROUPS)
async def describe_groups(
    request: DescribeGroupsRequest, context: RequestContext
) -> DescribeGroupsResponse:
    descriptions = map(DescribeGroup, without_duplicates(request.groups))
    found = await call_each(context.backends.coordinators, descriptions)
    operations = GROUP_OPERATIONS if request.include_authorized_operations else OPERATIONS_UNKNOWN
    groups = await map_cooperatively(lambda one: _group(one, operations, context), found)
    return DescribeGroupsResponse(groups=groups)


def _group(found: Found, operations: int, context: RequestContext) -> DescribedGroup:
    if found.refusal is GroupRefusal.GROUP_ID_NOT_FOUND:
        return _not_found(found, operations, context)
    return DescribedGroup(
        error_code=GROUP_ERRORS[found.refusal],
        group_id=found.group_id,
        group_state=found.state,
        protocol_type=found.protocol_type,
        protocol_data=found.protocol_name,
        members=[
            DescribedGroupMember(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                client_id=member.client.client_id,
                client_host=member.client.client_host,
                member_metadata=member.metadata,
                member_assignment=member.assignment,
            )
            for member in found.members
        ],
        authorized_operations=operations,
    )


def _not_found(found: Found, operations: int, context: RequestContext) -> DescribedGroup:
    has_error = context.api_version >= _NOT_FOUND_SINCE
    return DescribedGroup(
        error_code=ErrorCode.GROUP_ID_NOT_FOUND if has_error else ErrorCode.NONE,
        error_message=found.message if has_error else None,
        group_id=found.group_id,
        group_state=_DEAD,
        authorized_operations=OPERATIONS_UNKNOWN if has_error else operations,
    )
