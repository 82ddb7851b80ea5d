"""ConsumerGroupHeartbeat: renews a member's session and returns its assignment (KIP-848)."""

from typing import Final

from common.ports.consumer_groups import ConsumerHeartbeat, ConsumerHeartbeatReply, OwnedPartitions
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.coordinator_call import CoordinatorOperation, group_client
from gateway_svc.dispatch.error_codes import GROUP_ERRORS
from gateway_svc.wire.apis.consumer_group_heartbeat import (
    CONSUMER_GROUP_HEARTBEAT,
    Assignment,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from gateway_svc.wire.error_code import ErrorCode

#: First version in which members generate their own ids (KIP-1082).
_OWN_ID_SINCE: Final = 1


def consumer_group_heartbeat(
    request: ConsumerGroupHeartbeatRequest, context: RequestContext
) -> ConsumerGroupHeartbeatResponse | CoordinatorOperation[ConsumerGroupHeartbeatResponse]:
    missing = _missing(request, context)
    if missing is not None:
        return ConsumerGroupHeartbeatResponse(
            error_code=ErrorCode.INVALID_REQUEST, error_message=f"{missing} can't be empty."
        )
    reply = context.backends.coordinators.call(
        ConsumerHeartbeat(
            group_id=request.group_id,
            member_id=request.member_id,
            member_epoch=request.member_epoch,
            instance_id=request.instance_id,
            rack_id=request.rack_id,
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            subscribed_topic_names=request.subscribed_topic_names,
            subscribed_topic_regex=request.subscribed_topic_regex,
            server_assignor=request.server_assignor,
            owned=None
            if request.topic_partitions is None
            else [
                OwnedPartitions(topic.topic_id, topic.partitions)
                for topic in request.topic_partitions
            ],
            client=group_client(context),
        )
    )
    return CoordinatorOperation(CONSUMER_GROUP_HEARTBEAT, request, reply, _response)


def _missing(request: ConsumerGroupHeartbeatRequest, context: RequestContext) -> str | None:
    if not request.group_id:
        return "GroupId"
    needs_member_id = context.api_version >= _OWN_ID_SINCE or request.member_epoch != 0
    return "MemberId" if needs_member_id and not request.member_id else None


def _response(reply: ConsumerHeartbeatReply) -> ConsumerGroupHeartbeatResponse:
    if reply.refusal is not None:
        return ConsumerGroupHeartbeatResponse(
            error_code=GROUP_ERRORS[reply.refusal], error_message=reply.message
        )
    assignment = None
    if reply.assignment is not None:
        partitions = [
            TopicPartitions(topic_id=topic.topic_id, partitions=topic.partitions)
            for topic in reply.assignment
        ]
        assignment = Assignment(topic_partitions=partitions)
    return ConsumerGroupHeartbeatResponse(
        member_id=reply.member_id,
        member_epoch=reply.member_epoch,
        heartbeat_interval_ms=reply.heartbeat_interval_ms,
        assignment=assignment,
    )
