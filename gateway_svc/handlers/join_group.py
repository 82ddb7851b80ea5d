"""JoinGroup: a member joins a classic group. Responds when the next generation begins."""

from typing import Final

from common.ports.classic_groups import GroupProtocol, JoinGroup, JoinReply
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.coordinator_call import group_client, refuse_if_unavailable
from gateway_svc.dispatch.error_codes import GROUP_ERRORS
from gateway_svc.wire.apis.join_group import (
    JOIN_GROUP,
    JoinGroupRequest,
    JoinGroupResponse,
    JoinGroupResponseMember,
)
from gateway_svc.wire.error_code import ErrorCode

#: First version with MEMBER_ID_REQUIRED (KIP-394).
_MEMBER_ID_SINCE: Final = 4
#: First version in which a missing protocol name is null (KIP-559).
_NULL_NAME_SINCE: Final = 7
#: First version with skip_assignment (KIP-814).
_SKIP_SINCE: Final = 9


@refuse_if_unavailable(JOIN_GROUP)
async def join_group(request: JoinGroupRequest, context: RequestContext) -> JoinGroupResponse:
    joining = context.backends.coordinators.call(_joining(request, context))
    reply = await context.backends.long_polls.wait(joining)
    if reply is None:
        # The gateway is stopping; the member joins again through another one.
        return JOIN_GROUP.refuse(request, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    return _response(reply, context)


def _joining(request: JoinGroupRequest, context: RequestContext) -> JoinGroup:
    # Version 0 has one timeout for session and rebalance.
    has_two = context.api_version > 0
    return JoinGroup(
        group_id=request.group_id,
        member_id=request.member_id,
        protocol_type=request.protocol_type,
        protocols=[
            GroupProtocol(protocol.name, protocol.metadata) for protocol in request.protocols
        ],
        session_timeout_ms=request.session_timeout_ms,
        rebalance_timeout_ms=request.rebalance_timeout_ms
        if has_two
        else request.session_timeout_ms,
        group_instance_id=request.group_instance_id,
        client=group_client(context),
        reason=request.reason,
        needs_member_id=context.api_version >= _MEMBER_ID_SINCE,
        may_skip_assignment=context.api_version >= _SKIP_SINCE,
    )


def _response(reply: JoinReply, context: RequestContext) -> JoinGroupResponse:
    name = reply.protocol_name
    return JoinGroupResponse(
        error_code=GROUP_ERRORS[reply.refusal],
        generation_id=reply.generation_id,
        protocol_type=reply.protocol_type,
        protocol_name=name if name or context.api_version >= _NULL_NAME_SINCE else "",
        leader=reply.leader,
        skip_assignment=reply.skip_assignment,
        member_id=reply.member_id,
        members=[
            JoinGroupResponseMember(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                metadata=member.metadata,
            )
            for member in reply.members
        ],
    )
