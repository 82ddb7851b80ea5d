"""Heartbeat: renews the session of a member of a classic group."""

from common.ports.classic_groups import GroupHeartbeat, HeartbeatReply
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.coordinator_call import CoordinatorOperation
from gateway_svc.dispatch.error_codes import GROUP_ERRORS
from gateway_svc.wire.apis.heartbeat import HEARTBEAT, HeartbeatRequest, HeartbeatResponse


def heartbeat(
    request: HeartbeatRequest, context: RequestContext
) -> CoordinatorOperation[HeartbeatResponse]:
    reply = context.backends.coordinators.call(
        GroupHeartbeat(
            group_id=request.group_id,
            member_id=request.member_id,
            generation_id=request.generation_id,
            group_instance_id=request.group_instance_id,
        )
    )
    return CoordinatorOperation(HEARTBEAT, request, reply, _response)


def _response(reply: HeartbeatReply) -> HeartbeatResponse:
    return HeartbeatResponse(error_code=GROUP_ERRORS[reply.refusal])
