import pytest

from common.ports.metadata import NewTopic, Placement, Topic, TopicRefusal, TopicResult
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.create_topics import create_topics
from gateway_svc.wire.apis.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster


def topic(name: str, partitions: int = -1, **fields: object) -> CreatableTopic:
    return CreatableTopic(name=name, num_partitions=partitions, replication_factor=-1, **fields)


def request(*topics: CreatableTopic, **fields: object) -> CreateTopicsRequest:
    return CreateTopicsRequest(topics=topics, timeout_ms=1234, **fields)


def test_all_fields_reach_the_metadata_service():
    cluster = FakeCluster()
    configs = [
        CreatableTopicConfig(name="retention.ms", value="5"),
        CreatableTopicConfig(name="cleanup.policy", value=None),
    ]
    assignments = [CreatableReplicaAssignment(partition_index=0, broker_ids=[1, 2])]
    cluster.send(
        create_topics,
        request(topic("a", 3, configs=configs), topic("b", assignments=assignments)),
        5,
    )
    assert cluster.metadata.created == [
        NewTopic("a", 3, -1, {}, {"retention.ms": "5", "cleanup.policy": None}),
        NewTopic("b", -1, -1, {0: [1, 2]}, {}),
    ]
    assert (cluster.metadata.timeout_ms, cluster.metadata.validate_only) == (1234, False)


def test_the_answer_shows_the_topic_as_it_was_made():
    cluster = FakeCluster()
    configs = [CreatableTopicConfig(name="retention.ms", value="5")]
    (made,) = cluster.send(create_topics, request(topic("a", 3, configs=configs)), 7).topics
    assert (made.name, made.error_code, made.error_message) == ("a", ErrorCode.NONE, None)
    assert (made.num_partitions, made.replication_factor) == (3, 1)
    assert made.topic_id == cluster.view.topic("a").topic_id
    shown = {config.name: (config.value, config.config_source) for config in made.configs}
    assert shown["retention.ms"] == ("5", 1)
    assert shown["cleanup.policy"] == ("delete", 5)


def test_validating_creates_nothing():
    cluster = FakeCluster()
    (only,) = cluster.send(create_topics, request(topic("a", 2), validate_only=True), 7).topics
    assert (only.error_code, only.num_partitions) == (ErrorCode.NONE, 2)
    assert cluster.metadata.validate_only


@pytest.mark.parametrize(
    ("refusal", "error_code"),
    [
        (TopicRefusal.TOPIC_ALREADY_EXISTS, ErrorCode.TOPIC_ALREADY_EXISTS),
        (TopicRefusal.TIMED_OUT, ErrorCode.REQUEST_TIMED_OUT),
        (TopicRefusal.INVALID_CONFIG, ErrorCode.INVALID_CONFIG),
    ],
)
def test_a_refusal_comes_with_its_words(refusal, error_code):
    cluster = FakeCluster()
    made = Topic(b"i" * 16, "b", (Placement("p-0", 0),))
    cluster.metadata.results = [
        TopicResult("a", refusal=refusal, message="because"),
        TopicResult("b", made.topic_id, made),
    ]
    refused, fine = cluster.send(create_topics, request(topic("a"), topic("b")), 7).topics
    assert (refused.name, refused.error_code, refused.error_message) == (
        "a",
        error_code,
        "because",
    )
    assert (fine.name, fine.error_code) == ("b", ErrorCode.NONE)


def test_an_assignment_that_names_a_partition_twice_is_refused_alone():
    cluster = FakeCluster()
    twice = [CreatableReplicaAssignment(partition_index=0, broker_ids=[1]) for _ in range(2)]
    response = cluster.send(create_topics, request(topic("a", assignments=twice), topic("b", 1)), 7)
    assert [(one.name, one.error_code) for one in response.topics] == [
        ("a", ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ("b", ErrorCode.NONE),
    ]
    assert [one.name for one in cluster.metadata.created] == ["b"]


def test_a_name_that_is_there_twice_is_answered_once():
    cluster = FakeCluster()
    cluster.metadata.results = [
        TopicResult("a", refusal=TopicRefusal.INVALID_REQUEST, message="twice")
    ] * 2
    response = cluster.send(create_topics, request(topic("a"), topic("a")), 7)
    assert [one.error_code for one in response.topics] == [ErrorCode.INVALID_REQUEST]


def test_no_metadata_service_is_a_time_out():
    cluster = FakeCluster()
    cluster.metadata.error = BackendUnavailable("gone")
    response = cluster.send(create_topics, request(topic("a")), 7)
    assert [one.error_code for one in response.topics] == [ErrorCode.REQUEST_TIMED_OUT]
