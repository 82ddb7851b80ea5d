import pytest

from common.ports.metadata import TopicRefusal, TopicResult
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.delete_topics import delete_topics
from gateway_svc.wire.apis.delete_topics import DeleteTopicsRequest, DeleteTopicState
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ZERO_UUID
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster

ID = b"an id of 16 byte"


def by_name(*names: str) -> DeleteTopicsRequest:
    return DeleteTopicsRequest(topic_names=names, timeout_ms=1234)


def states(*topics: DeleteTopicState) -> DeleteTopicsRequest:
    return DeleteTopicsRequest(topics=topics, timeout_ms=1234)


def told(response):
    return [(topic.name, topic.topic_id, topic.error_code) for topic in response.responses]


def test_names_are_deleted_up_to_version_5():
    cluster = FakeCluster()
    response = cluster.send(delete_topics, by_name("a", "b"), 5)
    assert cluster.metadata.deleted == [(["a", "b"], [])]
    assert cluster.metadata.timeout_ms == 1234
    assert [(name, code) for name, _, code in told(response)] == [
        ("a", ErrorCode.NONE),
        ("b", ErrorCode.NONE),
    ]


def test_names_and_ids_are_deleted_from_version_6_on():
    cluster = FakeCluster()
    response = cluster.send(
        delete_topics, states(DeleteTopicState(topic_id=ID), DeleteTopicState(name="a")), 6
    )
    assert cluster.metadata.deleted == [(["a"], [ID])]
    assert told(response) == [
        ("a", b"i" * 16, ErrorCode.NONE),
        (f"name of {ID.hex()}", ID, ErrorCode.NONE),
    ]


def test_a_topic_is_named_or_identified_and_not_both_or_neither():
    cluster = FakeCluster()
    response = cluster.send(
        delete_topics,
        states(
            DeleteTopicState(name="a", topic_id=ID), DeleteTopicState(), DeleteTopicState(name="b")
        ),
        6,
    )
    assert [(name, code) for name, _, code in told(response)] == [
        ("a", ErrorCode.INVALID_REQUEST),
        (None, ErrorCode.INVALID_REQUEST),
        ("b", ErrorCode.NONE),
    ]
    assert cluster.metadata.deleted == [(["b"], [])]


def test_an_unknown_id_has_no_name():
    cluster = FakeCluster()
    cluster.metadata.results = [TopicResult(None, ID, refusal=TopicRefusal.UNKNOWN_TOPIC_ID)]
    response = cluster.send(delete_topics, states(DeleteTopicState(topic_id=ID)), 6)
    assert told(response) == [(None, ID, ErrorCode.UNKNOWN_TOPIC_ID)]


def test_a_refusal_comes_with_its_words():
    cluster = FakeCluster()
    cluster.metadata.results = [
        TopicResult("a", refusal=TopicRefusal.TIMED_OUT, message="not everybody knows yet")
    ]
    (topic,) = cluster.send(delete_topics, by_name("a"), 5).responses
    assert (topic.error_code, topic.error_message, topic.topic_id) == (
        ErrorCode.REQUEST_TIMED_OUT,
        "not everybody knows yet",
        ZERO_UUID,
    )


@pytest.mark.parametrize(
    ("version", "error_code"),
    [(2, ErrorCode.INVALID_REQUEST), (3, ErrorCode.TOPIC_DELETION_DISABLED)],
)
def test_deletion_can_be_switched_off(version, error_code):
    cluster = FakeCluster(delete_topic_enable=False)
    response = cluster.send(delete_topics, by_name("a"), version)
    assert [code for _, _, code in told(response)] == [error_code]
    assert not cluster.metadata.deleted


def test_no_metadata_service_is_a_time_out():
    cluster = FakeCluster()
    cluster.metadata.error = BackendUnavailable("gone")
    response = cluster.send(delete_topics, by_name("a"), 5)
    assert [code for _, _, code in told(response)] == [ErrorCode.REQUEST_TIMED_OUT]
