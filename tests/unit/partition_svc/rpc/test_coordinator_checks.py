import pytest

from common.rpc.status import MalformedRequest
from partition_svc.rpc.coordinator_checks import TEXT_BYTES_MAX, check_commit, check_texts
from protos.coordinator.v1 import coordinator_pb2 as pb

LONG = "é" * (TEXT_BYTES_MAX // 2 + 1)


def commit(*offsets, **fields):
    return pb.CommitOffsetsRequest(offsets=offsets, **fields)


@pytest.mark.parametrize(
    "message",
    [
        commit(group_id=LONG),
        commit(member_id=LONG),
        commit(group_instance_id=LONG),
        commit(client=pb.GroupClient(client_id=LONG)),
        commit(client=pb.GroupClient(client_host=LONG)),
        commit(pb.OffsetToCommit(), pb.OffsetToCommit(topic=LONG)),
        commit(pb.OffsetToCommit(metadata=LONG)),
    ],
)
def test_a_text_too_long_for_the_log_is_malformed_in_any_field(message):
    for check in (check_commit, check_texts):
        with pytest.raises(MalformedRequest, match="32767"):
            check(message)


def test_a_topic_id_must_be_empty_or_have_16_bytes():
    with pytest.raises(MalformedRequest, match="16 bytes"):
        check_commit(commit(pb.OffsetToCommit(topic_id=b"short")))
    check_commit(commit(pb.OffsetToCommit(topic_id=b"x" * 16), pb.OffsetToCommit()))


def test_a_text_of_the_largest_size_is_accepted():
    check_commit(commit(group_id="x" * TEXT_BYTES_MAX))
    check_texts(pb.GroupHeartbeat(group_id="x" * TEXT_BYTES_MAX))
