"""Messages of the calls that group members repeat: commits and heartbeats, both directions.

Written by hand because they are frequent: `plain.py` takes several times as long.
"""

from typing import Any, Final

from common.ports.classic_groups import GroupHeartbeat, HeartbeatReply
from common.ports.group_errors import GroupClient, GroupRefusal
from common.ports.group_offsets import CommitOffsets, CommitResult, OffsetToCommit
from protos.coordinator.v1 import coordinator_pb2 as pb

_REFUSALS: Final[dict[int, GroupRefusal | None]] = {
    pb.GROUP_REFUSAL_UNSPECIFIED: None,
    **{int(refusal): refusal for refusal in GroupRefusal},
}


def write_commit(message: pb.CommitOffsetsRequest, request: CommitOffsets) -> None:
    """Raises `ValueError` where a number is larger than its field."""
    message.group_id = request.group_id
    message.member_id = request.member_id
    message.generation_id = request.generation_id
    if request.group_instance_id is not None:
        message.group_instance_id = request.group_instance_id
    message.predates_epochs = request.predates_epochs
    client = message.client
    client.client_id, client.client_host = request.client
    add = message.offsets.add
    for commit in request.offsets:
        offset = add()
        offset.topic = commit.topic
        offset.partition = commit.partition
        offset.offset = commit.offset
        offset.leader_epoch = commit.leader_epoch
        offset.metadata = commit.metadata
        offset.topic_id = commit.topic_id
        offset.retention_ms = commit.retention_ms
        if commit.committed_at_ms:
            offset.committed_at_ms = commit.committed_at_ms


def read_commit(message: pb.CommitOffsetsRequest) -> CommitOffsets:
    instance_id = message.group_instance_id if message.HasField("group_instance_id") else None
    client = message.client
    return CommitOffsets(
        message.group_id,
        [
            OffsetToCommit(
                offset.topic,
                offset.partition,
                offset.offset,
                offset.leader_epoch,
                offset.metadata,
                offset.topic_id,
                offset.retention_ms,
                offset.committed_at_ms,
            )
            for offset in message.offsets
        ],
        message.member_id,
        message.generation_id,
        instance_id,
        GroupClient(client.client_id, client.client_host),
        message.predates_epochs,
    )


def write_commit_result(message: pb.CommitResult, result: CommitResult) -> None:
    message.refusal = _number(result.refusal)
    message.refusals.extend(map(_number, result.refusals))


def read_commit_result(message: pb.CommitResult) -> CommitResult:
    """Raises `KeyError` for a refusal that is unknown here."""
    refusals = [_REFUSALS[number] for number in message.refusals]
    return CommitResult(refusals, _REFUSALS[message.refusal])


def write_heartbeat(message: pb.GroupHeartbeat, request: GroupHeartbeat) -> None:
    message.group_id = request.group_id
    message.member_id = request.member_id
    message.generation_id = request.generation_id
    if request.group_instance_id is not None:
        message.group_instance_id = request.group_instance_id


def read_heartbeat(message: pb.GroupHeartbeat) -> GroupHeartbeat:
    instance_id = message.group_instance_id if message.HasField("group_instance_id") else None
    return GroupHeartbeat(message.group_id, message.member_id, message.generation_id, instance_id)


def write_heartbeat_result(message: pb.HeartbeatTaken, reply: HeartbeatReply) -> None:
    message.refusal = _number(reply.refusal)


def read_heartbeat_result(message: pb.HeartbeatTaken) -> HeartbeatReply:
    """Raises `KeyError` for a refusal that is unknown here."""
    return HeartbeatReply(_REFUSALS[message.refusal])


def _number(refusal: GroupRefusal | None) -> Any:
    """Returns the refusal as the message's enum, whose type only the stubs know."""
    return refusal or pb.GROUP_REFUSAL_UNSPECIFIED
