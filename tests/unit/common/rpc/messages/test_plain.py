import dataclasses

import pytest

from common.ports import classic_groups, consumer_groups, group_offsets
from common.ports.classic_groups import DescribedGroup, DescribedMember, GroupProtocol, JoinGroup
from common.ports.consumer_groups import ConsumerHeartbeat, OwnedPartitions
from common.ports.group_errors import GroupClient, GroupRefusal
from common.ports.group_offsets import CommitResult, FetchOffsets, TopicPartitions
from common.rpc.messages.plain import from_message, to_message
from protos.coordinator.v1 import coordinator_pb2 as pb

VALUES = [
    JoinGroup(
        "g", "m", "consumer", [GroupProtocol("range", b"\xff"), GroupProtocol("", b"")], 1, 2
    ),
    JoinGroup("g", "", "", [], 1, 2, "i", GroupClient("c", "/h"), "reason", False, True),
    DescribedGroup("g", members=[DescribedMember("m", None, GroupClient())]),
    DescribedGroup("g", members=[], refusal=GroupRefusal.GROUP_ID_NOT_FOUND),
    CommitResult([None, GroupRefusal.OFFSET_METADATA_TOO_LARGE, None]),
    FetchOffsets("g"),
    FetchOffsets("g", []),
    FetchOffsets("g", [TopicPartitions("t", [0, 7])], "m", 3, True),
    ConsumerHeartbeat("g", "m", 0),
    ConsumerHeartbeat("g", "m", -1, None, "", 5, [], "", "uniform", []),
    ConsumerHeartbeat("g", "m", 4, owned=[OwnedPartitions(bytes(16), [1])]),
]
#: Classes whose message has the suffix `Request`.
REQUESTS = {
    "JoinGroup", "SyncGroup", "LeaveGroup", "ListGroups", "CommitOffsets", "FetchOffsets",
    "DeleteOffsets", "ConsumerHeartbeat",
}  # fmt: skip
#: Requests that are sent as a group id in the message `GroupIds`.
BY_GROUP_ID = {"DescribeGroup", "DescribeConsumerGroup", "DeleteGroup"}
#: Classes whose message has another name.
RENAMED = {
    "JoinReply": "Joined",
    "SyncReply": "Synced",
    "HeartbeatReply": "HeartbeatTaken",
    "LeaveReply": "Left",
    "ConsumerHeartbeatReply": "ConsumerHeartbeatTaken",
    "DescribedConsumerGroup": "ConsumerGroup",
    "DescribedConsumerMember": "ConsumerMember",
}


def message_type(cls):
    name = RENAMED.get(cls.__name__, cls.__name__)
    return getattr(pb, name + ("Request" if name in REQUESTS else ""))


def over_the_wire(value):
    message = to_message(value, message_type(type(value)))
    return type(message).FromString(message.SerializeToString())


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_arrives_as_it_was_sent(value):
    assert from_message(over_the_wire(value), type(value)) == value


def classes_of(module):
    return [
        cls
        for cls in vars(module).values()
        if dataclasses.is_dataclass(cls) and cls.__module__ == module.__name__
    ]


@pytest.mark.parametrize(
    "cls",
    [
        cls
        for module in (classic_groups, group_offsets, consumer_groups)
        for cls in classes_of(module)
        if cls.__name__ not in BY_GROUP_ID
    ],
)
def test_every_class_of_the_port_has_a_message_with_its_fields(cls):
    names = [field.name for field in dataclasses.fields(cls)]
    assert [field.name for field in message_type(cls).DESCRIPTOR.fields] == names


def test_refusals_have_the_same_names_and_numbers_on_the_wire():
    proto_numbers = {
        name.removeprefix("GROUP_REFUSAL_"): number for name, number in pb.GroupRefusal.items()
    }
    assert proto_numbers == {
        "UNSPECIFIED": 0,
        **{refusal.name: refusal.value for refusal in GroupRefusal},
    }


def test_a_number_that_no_enum_has_is_an_error():
    with pytest.raises(ValueError, match="99"):
        from_message(pb.HeartbeatTaken(refusal=99), classic_groups.HeartbeatReply)
