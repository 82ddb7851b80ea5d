"""The calls that members of groups make again and again, as messages and back.

Written by hand where they are many: `plain_messages` costs several times as much.
"""

from typing import Any, Final

from common.ports.classic_groups import GroupHeartbeat, HeartbeatTaken
from common.ports.consumer_groups import ConsumerHeartbeat, ConsumerHeartbeatTaken
from common.ports.group_errors import GroupClient, GroupRefusal
from common.ports.group_offsets import CommitOffsets, CommitResult, OffsetToCommit
from common.rpc.messages.plain import fill_message, from_message
from protos.coordinator.v1 import coordinator_pb2 as pb

_REFUSALS: Final[dict[int, GroupRefusal | None]] = {
    pb.GROUP_REFUSAL_UNSPECIFIED: None,
    **{int(one): one for one in GroupRefusal},
}


def commit_to_call(request: CommitOffsets) -> pb.GroupCall:
    """Raises `ValueError` where a number is larger than its field."""
    call = pb.GroupCall()
    message = call.commit_offsets
    message.group_id = request.group_id
    message.member_id = request.member_id
    message.generation_id = request.generation_id
    if request.group_instance_id is not None:
        message.group_instance_id = request.group_instance_id
    message.predates_epochs = request.predates_epochs
    client = message.client
    client.client_id, client.client_host = request.client
    add = message.offsets.add
    for one in request.offsets:
        offset = add()
        offset.topic = one.topic
        offset.partition = one.partition
        offset.offset = one.offset
        offset.leader_epoch = one.leader_epoch
        offset.metadata = one.metadata
        offset.topic_id = one.topic_id
        offset.retention_ms = one.retention_ms
        if one.committed_at_ms:
            offset.committed_at_ms = one.committed_at_ms
    return call


def commit_from_message(message: pb.CommitOffsetsRequest) -> CommitOffsets:
    instance_id = message.group_instance_id if message.HasField("group_instance_id") else None
    client = message.client
    return CommitOffsets(
        message.group_id,
        [
            OffsetToCommit(
                one.topic,
                one.partition,
                one.offset,
                one.leader_epoch,
                one.metadata,
                one.topic_id,
                one.retention_ms,
                one.committed_at_ms,
            )
            for one in message.offsets
        ],
        message.member_id,
        message.generation_id,
        instance_id,
        GroupClient(client.client_id, client.client_host),
        message.predates_epochs,
    )


def commit_result_into(answer: pb.GroupAnswer, result: CommitResult) -> None:
    message = answer.commit_offsets
    message.refusal = _number(result.refusal)
    message.refusals.extend(map(_number, result.refusals))
    message.SetInParent()


def commit_result_of(answer: pb.GroupAnswer) -> CommitResult:
    """Raises `KeyError` where a refusal is not known here."""
    message = answer.commit_offsets
    return CommitResult([_REFUSALS[one] for one in message.refusals], _REFUSALS[message.refusal])


def heartbeat_to_call(request: GroupHeartbeat) -> pb.GroupCall:
    call = pb.GroupCall()
    message = call.heartbeat
    message.group_id = request.group_id
    message.member_id = request.member_id
    message.generation_id = request.generation_id
    if request.group_instance_id is not None:
        message.group_instance_id = request.group_instance_id
    message.SetInParent()
    return call


def heartbeat_from_message(message: pb.GroupHeartbeat) -> GroupHeartbeat:
    instance_id = message.group_instance_id if message.HasField("group_instance_id") else None
    return GroupHeartbeat(message.group_id, message.member_id, message.generation_id, instance_id)


def heartbeat_taken_into(answer: pb.GroupAnswer, taken: HeartbeatTaken) -> None:
    answer.heartbeat.refusal = _number(taken.refusal)
    answer.heartbeat.SetInParent()


def heartbeat_taken_of(answer: pb.GroupAnswer) -> HeartbeatTaken:
    """Raises `KeyError` where the refusal is not known here."""
    return HeartbeatTaken(_REFUSALS[answer.heartbeat.refusal])


def consumer_heartbeat_to_call(request: ConsumerHeartbeat) -> pb.GroupCall:
    call = pb.GroupCall()
    fill_message(call.consumer_heartbeat, request)
    call.consumer_heartbeat.SetInParent()
    return call


def consumer_heartbeat_from_message(message: pb.ConsumerHeartbeatRequest) -> ConsumerHeartbeat:
    return from_message(message, ConsumerHeartbeat)


def consumer_taken_into(answer: pb.GroupAnswer, taken: ConsumerHeartbeatTaken) -> None:
    fill_message(answer.consumer_heartbeat, taken)
    answer.consumer_heartbeat.SetInParent()


def consumer_taken_of(answer: pb.GroupAnswer) -> ConsumerHeartbeatTaken:
    """Raises `ValueError` where the refusal is not known here."""
    return from_message(answer.consumer_heartbeat, ConsumerHeartbeatTaken)


def _number(refusal: GroupRefusal | None) -> Any:
    """As the enum of the message, whose type only stubs know."""
    return refusal or pb.GROUP_REFUSAL_UNSPECIFIED
