"""DeleteGroups: deletes groups without members, and their offsets."""

from common.client.groups.fan_out import call_each
from common.ports.classic_groups import DeleteGroup
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.coordinator_call import refuse_if_unavailable, without_duplicates
from gateway_svc.dispatch.error_codes import GROUP_ERRORS
from gateway_svc.wire.apis.delete_groups import (
    DELETE_GROUPS,
    DeletableGroupResult,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)


@refuse_if_unavailable(DELETE_GROUPS)
async def delete_groups(
    request: DeleteGroupsRequest, context: RequestContext
) -> DeleteGroupsResponse:
    deletions = map(DeleteGroup, without_duplicates(request.groups_names))
    results = await call_each(context.backends.coordinators, deletions)
    return DeleteGroupsResponse(
        results=[
            DeletableGroupResult(group_id=result.group_id, error_code=GROUP_ERRORS[result.refusal])
            for result in results
        ]
    )
