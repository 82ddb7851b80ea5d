from dataclasses import replace

import pytest

from common.ports.classic_groups import (
    DeleteGroup,
    DescribeGroup,
    GroupHeartbeat,
    HeartbeatReply,
    JoinGroup,
    LeaveGroup,
    SyncGroup,
)
from common.ports.consumer_groups import (
    ConsumerHeartbeat,
    ConsumerHeartbeatReply,
    DescribeConsumerGroup,
    OwnedPartitions,
)
from common.ports.group_errors import GroupClient, GroupRefusal
from common.ports.group_offsets import (
    CommitOffsets,
    CommitResult,
    DeleteOffsets,
    FetchOffsets,
)
from common.rpc.messages.group_calls import GROUP_CALLS, STREAMED_CALLS, call_format
from protos.coordinator.v1 import coordinator_pb2 as pb

ID = bytes(range(16))
CLIENT = GroupClient("a client", "/10.0.0.1")

HEARTBEAT = GroupHeartbeat("g", "m", 1)
COMMIT = CommitOffsets("g", [])
CONSUMER_HEARTBEAT = ConsumerHeartbeat("g", "m", 3)


def over_the_wire(message):
    """Returns the message as the other end receives it."""
    return type(message).FromString(message.SerializeToString())


def transfer_request(request):
    call = call_format(request)
    message = call.request_message()
    call.write_request(message, request)
    return call.read_requests(over_the_wire(message))


def transfer_reply(request, reply):
    call = call_format(request)
    message = call.reply_message()
    call.write_reply(message, reply)
    return call.read_reply(over_the_wire(message))


@pytest.mark.parametrize(
    "request_",
    [
        COMMIT,
        HEARTBEAT,
        CONSUMER_HEARTBEAT,
        ConsumerHeartbeat(
            "g",
            "m",
            -2,
            "i",
            "r",
            5,
            ["orders"],
            "o.*",
            "range",
            [OwnedPartitions(ID, [1])],
            CLIENT,
        ),
        JoinGroup("g", "", "consumer", [], 1, 2, "i", CLIENT, "why", may_skip_assignment=True),
        SyncGroup("g", "m", 3, None, "consumer", "range", []),
        LeaveGroup("g", []),
        FetchOffsets("g", None, "m"),
        FetchOffsets("g", [], require_stable=True),
        DeleteOffsets("g", []),
        DescribeGroup("g"),
        DescribeConsumerGroup("g"),
        DeleteGroup("g"),
    ],
)
def test_requests_arrive_unchanged(request_):
    assert transfer_request(request_) == [request_]


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (COMMIT, CommitResult([], GroupRefusal.NOT_COORDINATOR)),
        (HEARTBEAT, HeartbeatReply(GroupRefusal.ILLEGAL_GENERATION)),
        (CONSUMER_HEARTBEAT, ConsumerHeartbeatReply()),
        (CONSUMER_HEARTBEAT, ConsumerHeartbeatReply("m", 2, 5000, [OwnedPartitions(ID, [0, 1])])),
        (
            CONSUMER_HEARTBEAT,
            ConsumerHeartbeatReply(
                refusal=GroupRefusal.UNKNOWN_MEMBER_ID, message="unknown member"
            ),
        ),
        *(
            (request, replace(request.refused(GroupRefusal.INVALID_GROUP_ID), **members))
            for request, members in (
                (DescribeGroup("g"), {"members": []}),
                (DescribeConsumerGroup("g"), {"members": []}),
                (DeleteGroup("g"), {}),
            )
        ),
    ],
)
def test_replies_arrive_unchanged(request_, reply):
    assert transfer_reply(request_, reply) == reply


def test_one_message_holds_several_groups():
    call = call_format(DescribeGroup("g"))
    message = pb.GroupIds(group_ids=["a", "b"])
    assert call.read_requests(message) == [DescribeGroup("a"), DescribeGroup("b")]
    response = pb.DescribedGroups()
    for request in call.read_requests(message):
        call.write_reply(response, request.refused(GroupRefusal.NOT_COORDINATOR))
    assert [group.group_id for group in response.groups] == ["a", "b"]


def test_the_table_has_every_method_of_the_proto():
    service = pb.DESCRIPTOR.services_by_name["CoordinatorService"]
    methods = {method.name: method for method in service.methods}
    assert {call.rpc for call in GROUP_CALLS.values()} == methods.keys() - {
        "ListGroups",
        "CallStream",
    }
    for call in GROUP_CALLS.values():
        method = methods[call.rpc]
        assert method.input_type is call.request_message.DESCRIPTOR
        assert method.output_type is call.reply_message.DESCRIPTOR


def test_the_table_has_every_call_of_the_stream():
    for message, messages in ((pb.GroupCall, "request_message"), (pb.GroupAnswer, "reply_message")):
        fields = {field.name: field for field in message.DESCRIPTOR.oneofs[0].fields}
        assert fields.keys() == STREAMED_CALLS.keys()
        for name, call in STREAMED_CALLS.items():
            assert fields[name].message_type is getattr(call, messages).DESCRIPTOR
