import pytest

from gateway_svc.wire.apis.metadata import (
    METADATA,
    OPERATIONS_UNKNOWN,
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case

TOPIC_ID = bytes(range(16))
BROKER = MetadataResponseBroker(node_id=1, host="h", port=9092)
PARTITION = MetadataResponsePartition(
    partition_index=0, leader_id=1, replica_nodes=[1], isr_nodes=[1]
)
OLD = MetadataResponse(
    brokers=[BROKER], topics=[MetadataResponseTopic(name="t", partitions=[PARTITION])]
)
UNKNOWN_ID = MetadataResponse(
    brokers=[],
    cluster_id="c",
    controller_id=1,
    topics=[
        MetadataResponseTopic(
            name=None, topic_id=TOPIC_ID, error_code=ErrorCode.UNKNOWN_TOPIC_ID, partitions=[]
        )
    ],
)


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(MetadataRequest(topics=[]), 0, "00000000", id="request v0: all"),
        pytest.param(MetadataRequest(topics=None), 1, "ffffffff", id="request v1: all"),
        pytest.param(MetadataRequest(topics=[]), 1, "00000000", id="request v1: none"),
        pytest.param(
            MetadataRequest(topics=[MetadataRequestTopic(name="t")]),
            4,
            "00000001 0001 74 01",
            id="request v4",
        ),
        pytest.param(
            MetadataRequest(topics=[MetadataRequestTopic(name=None, topic_id=TOPIC_ID)]),
            12,
            f"02 {TOPIC_ID.hex()} 00 00  01 00 00",
            id="request v12: by id",
        ),
        pytest.param(
            OLD,
            0,
            "00000001 00000001 0001 68 00002384"
            "00000001 0000 0001 74  00000001 0000 00000000 00000001"
            "00000001 00000001  00000001 00000001",
            id="response v0",
        ),
        pytest.param(
            UNKNOWN_ID,
            13,
            f"00000000 01 02 63 00000001  02 0064 00 {TOPIC_ID.hex()} 00 01 80000000 00  0000 00",
            id="response v13",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(METADATA, message, version, hex_bytes)


def test_unrequested_operations_are_not_zero():
    assert MetadataResponse(topics=[]).cluster_authorized_operations == OPERATIONS_UNKNOWN
    assert MetadataResponseTopic(name="t").topic_authorized_operations == OPERATIONS_UNKNOWN


def test_refusal_identifies_topics_as_in_the_request():
    by_id = MetadataRequestTopic(name=None, topic_id=TOPIC_ID)
    request = MetadataRequest(topics=[MetadataRequestTopic(name="t"), by_id])
    refusal = METADATA.refuse(request, ErrorCode.UNKNOWN_SERVER_ERROR)
    assert [(topic.name, topic.topic_id) for topic in refusal.topics] == [
        ("t", bytes(16)),
        ("", TOPIC_ID),
    ]
    assert {topic.error_code for topic in refusal.topics} == {refusal.error_code}


def test_refusal_of_all_topics_lists_none():
    refusal = METADATA.refuse(MetadataRequest(topics=None), ErrorCode.UNKNOWN_SERVER_ERROR)
    assert refusal == MetadataResponse(topics=[], error_code=ErrorCode.UNKNOWN_SERVER_ERROR)
