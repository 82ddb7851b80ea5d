import pytest

from gateway_svc.wire.apis.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
    ListOffsetsTopicResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case


def request(**partition):
    list_partition = ListOffsetsPartition(partition_index=3, timestamp=-1, **partition)
    return ListOffsetsRequest(topics=[ListOffsetsTopic(name="t", partitions=[list_partition])])


def response(**partition):
    partition_response = ListOffsetsPartitionResponse(partition_index=3, **partition)
    return ListOffsetsResponse(
        topics=[ListOffsetsTopicResponse(name="t", partitions=[partition_response])]
    )


ASKED = "00000001 0001 74  00000001 00000003"
MINUS_ONE = "ffffffffffffffff"


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            request(max_num_offsets=2),
            0,
            f"ffffffff {ASKED} {MINUS_ONE} 00000002",
            id="request v0",
        ),
        pytest.param(request(), 1, f"ffffffff {ASKED} {MINUS_ONE}", id="request v1"),
        pytest.param(
            request(current_leader_epoch=6),
            4,
            f"ffffffff 00 {ASKED} 00000006 {MINUS_ONE}",
            id="request v4",
        ),
        pytest.param(
            request(),
            10,
            f"ffffffff 00  02 02 74 02 00000003 ffffffff {MINUS_ONE} 00  00  00000000 00",
            id="request v10",
        ),
        pytest.param(
            response(old_style_offsets=[9, 0]),
            0,
            f"{ASKED} 0000  00000002 0000000000000009 0000000000000000",
            id="response v0",
        ),
        pytest.param(
            response(offset=9), 1, f"{ASKED} 0000 {MINUS_ONE} 0000000000000009", id="response v1"
        ),
        pytest.param(
            response(offset=9, leader_epoch=6),
            6,
            f"00000000  02 02 74 02 00000003 0000 {MINUS_ONE} 0000000000000009 00000006 00  00  00",
            id="response v6",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(LIST_OFFSETS, message, version, hex_bytes)


def test_refusal_lists_every_partition():
    refusal = LIST_OFFSETS.refuse(request(), ErrorCode.UNKNOWN_SERVER_ERROR)
    assert refusal == response(error_code=ErrorCode.UNKNOWN_SERVER_ERROR)
