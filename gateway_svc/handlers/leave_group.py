"""LeaveGroup: one member leaves a group, or from version 3 on several do."""

from typing import Final

from common.ports.classic_groups import LeaveGroup, LeaveReply, LeavingMember
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.coordinator_call import refuse_if_unavailable
from gateway_svc.dispatch.error_codes import GROUP_ERRORS
from gateway_svc.wire.apis.leave_group import (
    LEAVE_GROUP,
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberResponse,
)

#: First version with several members, each with its own error (KIP-345).
_BATCH_SINCE: Final = 3


@refuse_if_unavailable(LEAVE_GROUP)
async def leave_group(request: LeaveGroupRequest, context: RequestContext) -> LeaveGroupResponse:
    is_batch = context.api_version >= _BATCH_SINCE
    reply = await context.backends.coordinators.call(
        LeaveGroup(
            request.group_id,
            [
                LeavingMember(member.member_id, member.group_instance_id, member.reason)
                for member in request.members
            ]
            if is_batch
            else [LeavingMember(request.member_id)],
        )
    )
    return _batch_response(reply) if is_batch else _single_response(reply)


def _single_response(reply: LeaveReply) -> LeaveGroupResponse:
    refusal = reply.refusal
    if refusal is None and reply.members:
        refusal = reply.members[0].refusal
    return LeaveGroupResponse(error_code=GROUP_ERRORS[refusal])


def _batch_response(reply: LeaveReply) -> LeaveGroupResponse:
    return LeaveGroupResponse(
        error_code=GROUP_ERRORS[reply.refusal],
        members=[
            MemberResponse(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                error_code=GROUP_ERRORS[member.refusal],
            )
            for member in reply.members
        ],
    )
