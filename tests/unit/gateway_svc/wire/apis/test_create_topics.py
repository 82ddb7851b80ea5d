import pytest

from gateway_svc.wire.apis.create_topics import (
    CREATE_TOPICS,
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case

TOPIC_ID = bytes(range(16))
TOPIC = CreatableTopic(
    name="t",
    num_partitions=2,
    replication_factor=1,
    assignments=[CreatableReplicaAssignment(partition_index=0, broker_ids=[1, 2])],
    configs=[CreatableTopicConfig(name="k", value="v"), CreatableTopicConfig(name="n", value=None)],
)
OLD_TOPIC = (
    "00000001 0001 74 00000002 0001  00000001 00000000 00000002 00000001 00000002"
    "00000002 0001 6b 0001 76  0001 6e ffff"
)
EXISTS = CreatableTopicResult(name="t", error_code=ErrorCode.TOPIC_ALREADY_EXISTS)
EXISTS_WITH_MESSAGE = CreatableTopicResult(
    name="t", error_code=ErrorCode.TOPIC_ALREADY_EXISTS, error_message="m"
)
CREATED = CreatableTopicResult(
    name="t",
    topic_id=TOPIC_ID,
    topic_config_error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    num_partitions=2,
    replication_factor=1,
    configs=[CreatableTopicConfigs(name="k", value="v", config_source=1)],
)


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            CreateTopicsRequest(topics=[TOPIC]), 0, f"{OLD_TOPIC} 0000ea60", id="request v0"
        ),
        pytest.param(
            CreateTopicsRequest(topics=[TOPIC], validate_only=True),
            1,
            f"{OLD_TOPIC} 0000ea60 01",
            id="request v1",
        ),
        pytest.param(
            CreateTopicsRequest(topics=[TOPIC], timeout_ms=1),
            5,
            "02 02 74 00000002 0001  02 00000000 03 00000001 00000002 00"
            "03 02 6b 02 76 00 02 6e 00 00  00  00000001 00 00",
            id="request v5",
        ),
        pytest.param(
            CreateTopicsResponse(topics=[EXISTS]), 0, "00000001 0001 74 0024", id="response v0"
        ),
        pytest.param(
            CreateTopicsResponse(topics=[EXISTS_WITH_MESSAGE]),
            1,
            "00000001 0001 74 0024 0001 6d",
            id="response v1",
        ),
        pytest.param(
            CreateTopicsResponse(topics=[CREATED]),
            7,
            f"00000000  02 02 74 {TOPIC_ID.hex()} 0000 00 00000002 0001"
            "02 02 6b 02 76 00 01 00 00  01 00 02 001d  00",
            id="response v7",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(CREATE_TOPICS, message, version, hex_bytes)


def test_refusal_lists_every_topic():
    request = CreateTopicsRequest(topics=[TOPIC, TOPIC])
    refusal = CREATE_TOPICS.refuse(request, ErrorCode.TOPIC_ALREADY_EXISTS)
    assert refusal == CreateTopicsResponse(topics=[EXISTS, EXISTS])
