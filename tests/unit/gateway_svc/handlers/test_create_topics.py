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


def creatable_topic(name: str, partitions: int = -1, **fields: object) -> CreatableTopic:
    return CreatableTopic(name=name, num_partitions=partitions, replication_factor=-1, **fields)


def create_request(*topics: CreatableTopic, **fields: object) -> CreateTopicsRequest:
    return CreateTopicsRequest(topics=topics, timeout_ms=1234, **fields)


def test_create_topics_forwards_all_fields():
    cluster = FakeCluster()
    configs = [
        CreatableTopicConfig(name="retention.ms", value="5"),
        CreatableTopicConfig(name="cleanup.policy", value=None),
    ]
    assignments = [CreatableReplicaAssignment(partition_index=0, broker_ids=[1, 2])]
    cluster.send(
        create_topics,
        create_request(
            creatable_topic("a", 3, configs=configs), creatable_topic("b", assignments=assignments)
        ),
        5,
    )
    assert cluster.metadata.created == [
        NewTopic("a", 3, -1, {}, {"retention.ms": "5", "cleanup.policy": None}),
        NewTopic("b", -1, -1, {0: [1, 2]}, {}),
    ]
    assert (cluster.metadata.timeout_ms, cluster.metadata.validate_only) == (1234, False)


def test_create_topics_returns_the_created_topic():
    cluster = FakeCluster()
    configs = [CreatableTopicConfig(name="retention.ms", value="5")]
    (created,) = cluster.send(
        create_topics, create_request(creatable_topic("a", 3, configs=configs)), 7
    ).topics
    assert (created.name, created.error_code, created.error_message) == ("a", ErrorCode.NONE, None)
    assert (created.num_partitions, created.replication_factor) == (3, 1)
    assert created.topic_id == cluster.view.topic("a").topic_id
    values = {config.name: (config.value, config.config_source) for config in created.configs}
    assert values["retention.ms"] == ("5", 1)
    assert values["cleanup.policy"] == ("delete", 5)


def test_create_topics_creates_nothing_if_validate_only():
    cluster = FakeCluster()
    (validated,) = cluster.send(
        create_topics, create_request(creatable_topic("a", 2), validate_only=True), 7
    ).topics
    assert (validated.error_code, validated.num_partitions) == (ErrorCode.NONE, 2)
    assert cluster.metadata.validate_only


@pytest.mark.parametrize(
    ("refusal", "error_code"),
    [
        (TopicRefusal.TOPIC_ALREADY_EXISTS, ErrorCode.TOPIC_ALREADY_EXISTS),
        (TopicRefusal.TIMED_OUT, ErrorCode.REQUEST_TIMED_OUT),
        (TopicRefusal.INVALID_CONFIG, ErrorCode.INVALID_CONFIG),
    ],
)
def test_create_topics_returns_the_message_of_a_refusal(refusal, error_code):
    cluster = FakeCluster()
    created = Topic(b"i" * 16, "b", (Placement("p-0", 0),))
    cluster.metadata.results = [
        TopicResult("a", refusal=refusal, message="because"),
        TopicResult("b", created.topic_id, created),
    ]
    refused, accepted = cluster.send(
        create_topics, create_request(creatable_topic("a"), creatable_topic("b")), 7
    ).topics
    assert (refused.name, refused.error_code, refused.error_message) == (
        "a",
        error_code,
        "because",
    )
    assert (accepted.name, accepted.error_code) == ("b", ErrorCode.NONE)


def test_create_topics_rejects_only_the_topic_with_a_repeated_partition():
    cluster = FakeCluster()
    twice = [CreatableReplicaAssignment(partition_index=0, broker_ids=[1]) for _ in range(2)]
    response = cluster.send(
        create_topics,
        create_request(creatable_topic("a", assignments=twice), creatable_topic("b", 1)),
        7,
    )
    assert [(topic.name, topic.error_code) for topic in response.topics] == [
        ("a", ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ("b", ErrorCode.NONE),
    ]
    assert [topic.name for topic in cluster.metadata.created] == ["b"]


def test_create_topics_responds_once_to_a_repeated_name():
    cluster = FakeCluster()
    cluster.metadata.results = [
        TopicResult("a", refusal=TopicRefusal.INVALID_REQUEST, message="twice")
    ] * 2
    response = cluster.send(
        create_topics, create_request(creatable_topic("a"), creatable_topic("a")), 7
    )
    assert [topic.error_code for topic in response.topics] == [ErrorCode.INVALID_REQUEST]


def test_create_topics_times_out_without_the_metadata_service():
    cluster = FakeCluster()
    cluster.metadata.error = BackendUnavailable("unreachable")
    response = cluster.send(create_topics, create_request(creatable_topic("a")), 7)
    assert [topic.error_code for topic in response.topics] == [ErrorCode.REQUEST_TIMED_OUT]
