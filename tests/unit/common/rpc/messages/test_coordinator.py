import pytest

from common.ports.classic_groups import GroupHeartbeat, HeartbeatReply
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


def over_the_wire(message):
    """Returns the message as the other end receives it."""
    return type(message).FromString(message.SerializeToString())


@pytest.mark.parametrize(
    "request_",
    [
        CommitOffsets("g", OFFSETS, "m", 4, "i", CLIENT, predates_epochs=True),
        CommitOffsets("g", [], group_instance_id=""),
        CommitOffsets("g", OFFSETS),
    ],
)
def test_commits_arrive_unchanged(request_):
    message = pb.CommitOffsetsRequest()
    messages.write_commit(message, request_)
    assert messages.read_commit(over_the_wire(message)) == request_


def test_a_number_out_of_range_is_a_value_error():
    commit = OffsetToCommit("orders", 0, 1, retention_ms=2**63)
    with pytest.raises(ValueError, match="range"):
        messages.write_commit(pb.CommitOffsetsRequest(), CommitOffsets("g", [commit]))


@pytest.mark.parametrize(
    "request_",
    [GroupHeartbeat("g", "m", 4, "i"), GroupHeartbeat("", "", 0), GroupHeartbeat("g", "m", -1, "")],
)
def test_heartbeats_arrive_unchanged(request_):
    message = pb.GroupHeartbeat()
    messages.write_heartbeat(message, request_)
    assert messages.read_heartbeat(over_the_wire(message)) == request_


@pytest.mark.parametrize(
    "result",
    [
        CommitResult([None, GroupRefusal.OFFSET_METADATA_TOO_LARGE, None]),
        CommitResult([], GroupRefusal.NOT_COORDINATOR),
        CommitResult([]),
    ],
)
def test_commit_results_arrive_unchanged(result):
    message = pb.CommitResult()
    messages.write_commit_result(message, result)
    assert messages.read_commit_result(over_the_wire(message)) == result


@pytest.mark.parametrize("refusal", [None, GroupRefusal.ILLEGAL_GENERATION])
def test_heartbeat_results_arrive_unchanged(refusal):
    message = pb.HeartbeatTaken()
    messages.write_heartbeat_result(message, HeartbeatReply(refusal))
    assert messages.read_heartbeat_result(over_the_wire(message)) == HeartbeatReply(refusal)


def test_an_unknown_refusal_is_an_error():
    with pytest.raises(KeyError):
        messages.read_heartbeat_result(pb.HeartbeatTaken(refusal=999))
    with pytest.raises(KeyError):
        messages.read_commit_result(pb.CommitResult(refusals=[999]))
