import pytest

from common.ports.classic_groups import GroupHeartbeat, HeartbeatTaken
from common.ports.consumer_groups import ConsumerHeartbeat, ConsumerHeartbeatTaken, OwnedPartitions
from common.ports.group_errors import GroupClient, GroupRefusal
from common.ports.group_offsets import CommitOffsets, CommitResult, OffsetToCommit
from common.rpc.messages import coordinator as messages
from protos.coordinator.v1 import coordinator_pb2 as pb

ID = bytes(range(16))
CLIENT = GroupClient("a client", "/10.0.0.1")
OFFSETS = [
    OffsetToCommit("orders", 3, 2**40, 7, "why", ID, 99, 98),
    OffsetToCommit("payments", 0, 0),
]


def sent(message):
    """The message as it arrives at the other end."""
    return type(message).FromString(message.SerializeToString())


@pytest.mark.parametrize(
    "request_",
    [
        CommitOffsets("g", OFFSETS, "m", 4, "i", CLIENT, predates_epochs=True),
        CommitOffsets("g", [], group_instance_id=""),
        CommitOffsets("g", OFFSETS),
    ],
)
def test_commits_come_through(request_):
    call = sent(messages.commit_to_call(request_))
    assert call.WhichOneof("call") == "commit_offsets"
    assert messages.commit_from_message(call.commit_offsets) == request_


def test_a_number_that_has_no_room_is_the_callers_error():
    one = OffsetToCommit("orders", 0, 1, retention_ms=2**63)
    with pytest.raises(ValueError, match="range"):
        messages.commit_to_call(CommitOffsets("g", [one]))


@pytest.mark.parametrize(
    "request_",
    [GroupHeartbeat("g", "m", 4, "i"), GroupHeartbeat("", "", 0), GroupHeartbeat("g", "m", -1, "")],
)
def test_heartbeats_come_through(request_):
    call = sent(messages.heartbeat_to_call(request_))
    assert call.WhichOneof("call") == "heartbeat"
    assert messages.heartbeat_from_message(call.heartbeat) == request_


@pytest.mark.parametrize(
    "request_",
    [
        ConsumerHeartbeat("g", "m", 3),
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
    ],
)
def test_heartbeats_of_consumer_groups_come_through(request_):
    call = sent(messages.consumer_heartbeat_to_call(request_))
    assert call.WhichOneof("call") == "consumer_heartbeat"
    assert messages.consumer_heartbeat_from_message(call.consumer_heartbeat) == request_


@pytest.mark.parametrize(
    ("kind", "put", "read", "result"),
    [
        *(
            ("commit_offsets", messages.commit_result_into, messages.commit_result_of, one)
            for one in (
                CommitResult([None, GroupRefusal.OFFSET_METADATA_TOO_LARGE, None]),
                CommitResult([], GroupRefusal.NOT_COORDINATOR),
                CommitResult([]),
            )
        ),
        *(
            ("heartbeat", messages.heartbeat_taken_into, messages.heartbeat_taken_of, one)
            for one in (HeartbeatTaken(), HeartbeatTaken(GroupRefusal.ILLEGAL_GENERATION))
        ),
        *(
            ("consumer_heartbeat", messages.consumer_taken_into, messages.consumer_taken_of, one)
            for one in (
                ConsumerHeartbeatTaken(),
                ConsumerHeartbeatTaken("m", 2, 5000, [OwnedPartitions(ID, [0, 1])]),
                ConsumerHeartbeatTaken(refusal=GroupRefusal.UNKNOWN_MEMBER_ID, message="who?"),
            )
        ),
    ],
)
def test_answers_come_through(kind, put, read, result):
    answer = pb.GroupAnswer(call_id=7)
    put(answer, result)
    arrived = sent(answer)
    assert arrived.WhichOneof("answer") == kind
    assert read(arrived) == result


def test_a_refusal_that_is_not_known_is_none_of_ours():
    answer = pb.GroupAnswer(heartbeat=pb.HeartbeatTaken(refusal=999))
    with pytest.raises(KeyError):
        messages.heartbeat_taken_of(answer)
