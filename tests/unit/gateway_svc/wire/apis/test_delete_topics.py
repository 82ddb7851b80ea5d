import pytest

from gateway_svc.wire.apis.delete_topics import (
    DELETE_TOPICS,
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case

TOPIC_ID = bytes(range(16))
BY_NAMES = DeleteTopicsRequest(topic_names=["a", "b"], timeout_ms=1000)
BY_ID = DeleteTopicsRequest(topics=[DeleteTopicState(topic_id=TOPIC_ID)], timeout_ms=1000)
GONE = DeletableTopicResult(name="a", error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
GONE_BY_ID = DeletableTopicResult(
    name=None, topic_id=TOPIC_ID, error_code=ErrorCode.UNKNOWN_TOPIC_ID, error_message="m"
)


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(BY_NAMES, 0, "00000002 0001 61 0001 62  000003e8", id="request v0"),
        pytest.param(BY_NAMES, 4, "03 02 61 02 62  000003e8 00", id="request v4"),
        pytest.param(BY_ID, 6, f"02 00 {TOPIC_ID.hex()} 00  000003e8 00", id="request v6"),
        pytest.param(
            DeleteTopicsResponse(responses=[GONE]), 0, "00000001 0001 61 0003", id="response v0"
        ),
        pytest.param(
            DeleteTopicsResponse(responses=[GONE], throttle_time_ms=5),
            1,
            "00000005 00000001 0001 61 0003",
            id="response v1",
        ),
        pytest.param(
            DeleteTopicsResponse(responses=[GONE_BY_ID]),
            6,
            f"00000000 02 00 {TOPIC_ID.hex()} 0064 02 6d 00  00",
            id="response v6",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(DELETE_TOPICS, message, version, hex_bytes)


def test_refusal_identifies_topics_as_in_the_request():
    by_names = DELETE_TOPICS.refuse(BY_NAMES, ErrorCode.REQUEST_TIMED_OUT)
    assert [topic.name for topic in by_names.responses] == ["a", "b"]
    by_id = DELETE_TOPICS.refuse(BY_ID, ErrorCode.REQUEST_TIMED_OUT)
    assert [(topic.name, topic.topic_id) for topic in by_id.responses] == [(None, TOPIC_ID)]
