import pytest

from common.ports.metadata import TopicRefusal, TopicResult
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.delete_topics import delete_topics
from gateway_svc.wire.apis.delete_topics import DeleteTopicsRequest, DeleteTopicState
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ZERO_UUID
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster

ID = b"an id of 16 byte"


def delete_by_name(*names: str) -> DeleteTopicsRequest:
    return DeleteTopicsRequest(topic_names=names, timeout_ms=1234)


def delete_request(*topics: DeleteTopicState) -> DeleteTopicsRequest:
    return DeleteTopicsRequest(topics=topics, timeout_ms=1234)


def results(response):
    return [(topic.name, topic.topic_id, topic.error_code) for topic in response.responses]


def test_delete_topics_deletes_by_name_up_to_version_5():
    cluster = FakeCluster()
    response = cluster.send(delete_topics, delete_by_name("a", "b"), 5)
    assert cluster.metadata.deleted == [(["a", "b"], [])]
    assert cluster.metadata.timeout_ms == 1234
    assert [(name, code) for name, _, code in results(response)] == [
        ("a", ErrorCode.NONE),
        ("b", ErrorCode.NONE),
    ]


def test_delete_topics_deletes_by_name_and_id_since_version_6():
    cluster = FakeCluster()
    response = cluster.send(
        delete_topics, delete_request(DeleteTopicState(topic_id=ID), DeleteTopicState(name="a")), 6
    )
    assert cluster.metadata.deleted == [(["a"], [ID])]
    assert results(response) == [
        ("a", b"i" * 16, ErrorCode.NONE),
        (f"name of {ID.hex()}", ID, ErrorCode.NONE),
    ]


def test_delete_topics_rejects_a_topic_with_both_name_and_id_or_neither():
    cluster = FakeCluster()
    response = cluster.send(
        delete_topics,
        delete_request(
            DeleteTopicState(name="a", topic_id=ID), DeleteTopicState(), DeleteTopicState(name="b")
        ),
        6,
    )
    assert [(name, code) for name, _, code in results(response)] == [
        ("a", ErrorCode.INVALID_REQUEST),
        (None, ErrorCode.INVALID_REQUEST),
        ("b", ErrorCode.NONE),
    ]
    assert cluster.metadata.deleted == [(["b"], [])]


def test_delete_topics_returns_no_name_for_an_unknown_id():
    cluster = FakeCluster()
    cluster.metadata.results = [TopicResult(None, ID, refusal=TopicRefusal.UNKNOWN_TOPIC_ID)]
    response = cluster.send(delete_topics, delete_request(DeleteTopicState(topic_id=ID)), 6)
    assert results(response) == [(None, ID, ErrorCode.UNKNOWN_TOPIC_ID)]


def test_delete_topics_returns_the_message_of_a_refusal():
    cluster = FakeCluster()
    cluster.metadata.results = [
        TopicResult("a", refusal=TopicRefusal.TIMED_OUT, message="not all gateways have applied it")
    ]
    (topic,) = cluster.send(delete_topics, delete_by_name("a"), 5).responses
    assert (topic.error_code, topic.error_message, topic.topic_id) == (
        ErrorCode.REQUEST_TIMED_OUT,
        "not all gateways have applied it",
        ZERO_UUID,
    )


@pytest.mark.parametrize(
    ("version", "error_code"),
    [(2, ErrorCode.INVALID_REQUEST), (3, ErrorCode.TOPIC_DELETION_DISABLED)],
)
def test_delete_topics_is_refused_if_disabled(version, error_code):
    cluster = FakeCluster(delete_topic_enable=False)
    response = cluster.send(delete_topics, delete_by_name("a"), version)
    assert [code for _, _, code in results(response)] == [error_code]
    assert not cluster.metadata.deleted


def test_delete_topics_times_out_without_the_metadata_service():
    cluster = FakeCluster()
    cluster.metadata.error = BackendUnavailable("unreachable")
    response = cluster.send(delete_topics, delete_by_name("a"), 5)
    assert [code for _, _, code in results(response)] == [ErrorCode.REQUEST_TIMED_OUT]
