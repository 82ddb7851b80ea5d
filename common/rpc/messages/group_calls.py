"""The calls of coordinator.v1: for each type of request its RPC and its messages.

A new call takes a line here, beside its request type (`common/ports`), its messages in the proto
and a handler in `partition_svc/coordinator`. The client and the servicer are made of this table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from common.ports.classic_groups import (
    DeleteGroup,
    DescribedGroup,
    DescribeGroup,
    GroupHeartbeat,
    GroupResult,
    JoinGroup,
    JoinReply,
    LeaveGroup,
    LeaveReply,
    SyncGroup,
    SyncReply,
)
from common.ports.consumer_groups import (
    ConsumerHeartbeat,
    ConsumerHeartbeatReply,
    DescribeConsumerGroup,
    DescribedConsumerGroup,
)
from common.ports.group_offsets import (
    CommitOffsets,
    DeletedOffsets,
    DeleteOffsets,
    FetchedOffsets,
    FetchOffsets,
)
from common.ports.group_request import GroupRequest
from common.rpc.messages import coordinator as messages
from common.rpc.messages.plain import fill_message, from_message
from protos.coordinator.v1 import coordinator_pb2 as pb


@dataclass(frozen=True, slots=True)
class GroupCallFormat:
    """One call: its RPC, and how requests and replies are written into messages and read.

    `stream_field` is the field of `GroupCall` and `GroupAnswer` of a call that is frequent and goes
    over `CallStream`; None for calls that go over their RPC. A message may hold several requests;
    then `write_reply` is called for each reply, in their order, and appends it. `read_reply` raises
    `KeyError` or `ValueError` for a reply that is unknown here.
    """

    rpc: str
    request_message: type[Message]
    reply_message: type[Message]
    write_request: Callable[[Any, Any], None]
    read_requests: Callable[[Any], Sequence[GroupRequest[Any]]]
    write_reply: Callable[[Any, Any], None]
    read_reply: Callable[[Any], Any]
    stream_field: str | None = None


def _plain(
    rpc: str,
    request: tuple[type[GroupRequest[Any]], type[Message]],
    reply: tuple[type[Any], type[Message]],
    stream_field: str | None = None,
) -> GroupCallFormat:
    """A call whose messages have the fields of the request and of the reply (`plain.py`)."""
    request_type, request_message = request
    reply_type, reply_message = reply
    return GroupCallFormat(
        rpc,
        request_message,
        reply_message,
        fill_message,
        lambda message: [from_message(message, request_type)],
        fill_message,
        lambda message: from_message(message, reply_type),
        stream_field,
    )


def _by_group_id(
    rpc: str,
    request_type: type[GroupRequest[Any]],
    reply_type: type[Any],
    reply_message: type[Message],
    field: str,
) -> GroupCallFormat:
    """A call whose message has group ids only, and whose response repeats `field` for each."""

    def write_request(message: pb.GroupIds, request: GroupRequest[Any]) -> None:
        message.group_ids.append(request.group_id)

    def read_reply(message: Any) -> Any:
        (reply,) = getattr(message, field)
        return from_message(reply, reply_type)

    return GroupCallFormat(
        rpc,
        pb.GroupIds,
        reply_message,
        write_request,
        lambda message: [request_type(group_id) for group_id in message.group_ids],
        lambda message, reply: fill_message(getattr(message, field).add(), reply),
        read_reply,
    )


GROUP_CALLS: Final[Mapping[type[GroupRequest[Any]], GroupCallFormat]] = {
    JoinGroup: _plain("JoinGroup", (JoinGroup, pb.JoinGroupRequest), (JoinReply, pb.Joined)),
    SyncGroup: _plain("SyncGroup", (SyncGroup, pb.SyncGroupRequest), (SyncReply, pb.Synced)),
    GroupHeartbeat: GroupCallFormat(
        "Heartbeat",
        pb.GroupHeartbeat,
        pb.HeartbeatTaken,
        messages.write_heartbeat,
        lambda message: [messages.read_heartbeat(message)],
        messages.write_heartbeat_result,
        messages.read_heartbeat_result,
        "heartbeat",
    ),
    LeaveGroup: _plain("LeaveGroup", (LeaveGroup, pb.LeaveGroupRequest), (LeaveReply, pb.Left)),
    CommitOffsets: GroupCallFormat(
        "CommitOffsets",
        pb.CommitOffsetsRequest,
        pb.CommitResult,
        messages.write_commit,
        lambda message: [messages.read_commit(message)],
        messages.write_commit_result,
        messages.read_commit_result,
        "commit_offsets",
    ),
    FetchOffsets: _plain(
        "FetchOffsets", (FetchOffsets, pb.FetchOffsetsRequest), (FetchedOffsets, pb.FetchedOffsets)
    ),
    DeleteOffsets: _plain(
        "DeleteOffsets",
        (DeleteOffsets, pb.DeleteOffsetsRequest),
        (DeletedOffsets, pb.DeletedOffsets),
    ),
    ConsumerHeartbeat: _plain(
        "ConsumerHeartbeat",
        (ConsumerHeartbeat, pb.ConsumerHeartbeatRequest),
        (ConsumerHeartbeatReply, pb.ConsumerHeartbeatTaken),
        "consumer_heartbeat",
    ),
    DescribeGroup: _by_group_id(
        "DescribeGroups", DescribeGroup, DescribedGroup, pb.DescribedGroups, "groups"
    ),
    DescribeConsumerGroup: _by_group_id(
        "DescribeConsumerGroups",
        DescribeConsumerGroup,
        DescribedConsumerGroup,
        pb.ConsumerGroups,
        "groups",
    ),
    DeleteGroup: _by_group_id("DeleteGroups", DeleteGroup, GroupResult, pb.GroupResults, "results"),
}

#: The calls that go over `CallStream`, by their field of `GroupCall`.
STREAMED_CALLS: Final[Mapping[str, GroupCallFormat]] = {
    call.stream_field: call for call in GROUP_CALLS.values() if call.stream_field is not None
}


def call_format(request: GroupRequest[Any]) -> GroupCallFormat:
    return GROUP_CALLS[type(request)]
