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
def test_a_text_that_has_no_room_in_the_log_is_found_wherever_it_is(message):
    for check in (check_commit, check_texts):
        with pytest.raises(MalformedRequest, match="32767"):
            check(message)


def test_a_topic_id_has_16_bytes_or_is_not_known():
    with pytest.raises(MalformedRequest, match="16 bytes"):
        check_commit(commit(pb.OffsetToCommit(topic_id=b"short")))
    check_commit(commit(pb.OffsetToCommit(topic_id=b"x" * 16), pb.OffsetToCommit()))


def test_what_just_has_room_is_taken():
    check_commit(commit(group_id="x" * TEXT_BYTES_MAX))
    check_texts(pb.GroupHeartbeat(group_id="x" * TEXT_BYTES_MAX))
