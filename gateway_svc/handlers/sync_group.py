"""SyncGroup: distributes the leader's assignment. Responds when the leader has sent it."""

from common.ports.classic_groups import MemberAssignment, SyncGroup
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.coordinator_call import refuse_if_unavailable
from gateway_svc.dispatch.error_codes import GROUP_ERRORS
from gateway_svc.wire.apis.sync_group import SYNC_GROUP, SyncGroupRequest, SyncGroupResponse
from gateway_svc.wire.error_code import ErrorCode


@refuse_if_unavailable(SYNC_GROUP)
async def sync_group(request: SyncGroupRequest, context: RequestContext) -> SyncGroupResponse:
    syncing = context.backends.coordinators.call(
        SyncGroup(
            group_id=request.group_id,
            member_id=request.member_id,
            generation_id=request.generation_id,
            group_instance_id=request.group_instance_id,
            protocol_type=request.protocol_type,
            protocol_name=request.protocol_name,
            assignments=[
                MemberAssignment(member.member_id, member.assignment)
                for member in request.assignments
            ],
        )
    )
    synced = await context.backends.long_polls.wait(syncing)
    if synced is None:
        # The gateway is stopping; the member retries through another one.
        return SYNC_GROUP.refuse(request, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    return SyncGroupResponse(
        error_code=GROUP_ERRORS[synced.refusal],
        protocol_type=synced.protocol_type,
        protocol_name=synced.protocol_name,
        assignment=synced.assignment,
    )
