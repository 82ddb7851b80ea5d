import pytest

from gateway_svc.wire.apis.offset_for_leader_epoch import (
    OFFSET_FOR_LEADER_EPOCH,
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
    OffsetForLeaderTopicResult,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


def request(*, replica_id=-2, **partition):
    epoch_partition = OffsetForLeaderPartition(partition=3, leader_epoch=5, **partition)
    topic = OffsetForLeaderTopic(topic="t", partitions=[epoch_partition])
    return OffsetForLeaderEpochRequest(replica_id=replica_id, topics=[topic])


def response(**partition):
    end_offset = EpochEndOffset(partition=3, **partition)
    return OffsetForLeaderEpochResponse(
        topics=[OffsetForLeaderTopicResult(topic="t", partitions=[end_offset])]
    )


ASKED = "00000001 0001 74  00000001 00000003"
NINE = "0000000000000009"


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(request(), 0, f"{ASKED} 00000005", id="request v0"),
        pytest.param(request(), 1, f"{ASKED} 00000005", id="request v1"),
        pytest.param(
            request(current_leader_epoch=6), 2, f"{ASKED} 00000006 00000005", id="request v2"
        ),
        pytest.param(
            request(replica_id=-1), 3, f"ffffffff {ASKED} ffffffff 00000005", id="request v3"
        ),
        pytest.param(
            request(current_leader_epoch=6),
            4,
            "fffffffe  02 02 74 02 00000003 00000006 00000005 00  00  00",
            id="request v4",
        ),
        pytest.param(
            response(end_offset=9),
            0,
            f"00000001 0001 74  00000001 0000 00000003 {NINE}",
            id="response v0",
        ),
        pytest.param(
            response(leader_epoch=5, end_offset=9),
            1,
            f"00000001 0001 74  00000001 0000 00000003 00000005 {NINE}",
            id="response v1",
        ),
        pytest.param(
            response(error_code=ErrorCode.FENCED_LEADER_EPOCH),
            2,
            "00000000 00000001 0001 74  00000001 004a 00000003 ffffffff ffffffffffffffff",
            id="response v2",
        ),
        pytest.param(
            response(leader_epoch=5, end_offset=9),
            4,
            f"00000000  02 02 74 02 0000 00000003 00000005 {NINE} 00  00  00",
            id="response v4",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(OFFSET_FOR_LEADER_EPOCH, message, version, hex_bytes)


def test_refusal_lists_every_partition():
    refusal = OFFSET_FOR_LEADER_EPOCH.refuse(request(), ErrorCode.UNKNOWN_SERVER_ERROR)
    assert refusal == response(error_code=ErrorCode.UNKNOWN_SERVER_ERROR)
