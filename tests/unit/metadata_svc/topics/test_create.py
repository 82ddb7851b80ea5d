import base64

import pytest

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, NewTopic, Placement, Topic, TopicRefusal
from metadata_svc.topics.create import PARTITIONS_PER_REQUEST_MAX, Creation, Defaults

PLACEMENT = Placement("partition-0", 0)


def decide(
    *topics, existing=(), defaults=None, members=("partition-0",), gateways=(0, 1), brokers=None
):
    view = ClusterView()
    existing_topics = [
        Topic(number.to_bytes(16, "big"), name, (PLACEMENT,))
        for number, name in enumerate(existing)
    ]
    view.apply(
        ClusterChange(
            revision=1,
            cluster_id="c",
            is_snapshot=True,
            topics=existing_topics,
            broker_configs=brokers or {},
        )
    )
    creation = Creation(
        view, defaults or Defaults(), owners=members, loads={}, live_gateways=gateways
    )
    return creation.decide(topics)


def refusals(*topics, **cluster):
    return [result.refusal for result in decide(*topics, **cluster)]


def test_a_topic_is_created_as_requested():
    [result] = decide(NewTopic("t", 3, 2, configs={"cleanup.policy": " compact "}))
    assert result.refusal is None
    assert result.topic.partitions == (PLACEMENT,) * 3
    assert result.topic.configs == {"cleanup.policy": "compact"}
    assert (result.name, result.topic_id) == ("t", result.topic.topic_id)


def test_minus_one_stands_for_the_defaults():
    [result] = decide(NewTopic("t"), defaults=Defaults(7, 2))
    assert len(result.topic.partitions) == 7
    assert refusals(NewTopic("t"), defaults=Defaults(1, 3)) == [
        TopicRefusal.INVALID_REPLICATION_FACTOR
    ]


def test_topic_ids_are_random_and_none_begins_with_a_dash_as_text():
    results = decide(*(NewTopic(f"t{number}") for number in range(2_000)))
    ids = {result.topic_id for result in results}
    assert len(ids) == 2_000
    assert not [topic_id for topic_id in ids if base64.urlsafe_b64encode(topic_id).startswith(b"-")]


def test_internal_topics_are_marked():
    internal, plain = decide(NewTopic("__consumer_offsets"), NewTopic("__consumer_offset"))
    assert internal.topic.is_internal
    assert not plain.topic.is_internal


@pytest.mark.parametrize("count", [0, -2, -(2**31)])
def test_a_partition_count_below_one_is_refused(count):
    assert refusals(NewTopic("t", count)) == [TopicRefusal.INVALID_PARTITIONS]


@pytest.mark.parametrize("factor", [0, -2, 3, 32767])
def test_a_replication_factor_below_one_or_above_the_live_gateways_is_refused(factor):
    assert refusals(NewTopic("t", 1, factor)) == [TopicRefusal.INVALID_REPLICATION_FACTOR]


def test_a_replication_factor_of_one_is_accepted_without_a_live_gateway():
    assert refusals(NewTopic("t", 1, 1), gateways=()) == [None]


def test_a_request_creates_a_bounded_number_of_partitions_and_the_topics_that_fit():
    limit = PARTITIONS_PER_REQUEST_MAX
    assert refusals(NewTopic("t", 2**31 - 1)) == [TopicRefusal.INVALID_PARTITIONS]
    assert refusals(NewTopic("a", limit), NewTopic("b", 1)) == [
        None,
        TopicRefusal.INVALID_PARTITIONS,
    ]
    assert refusals(NewTopic("a", limit), NewTopic("b b", 1), NewTopic("c", 0)) == [
        None,
        TopicRefusal.INVALID_TOPIC_NAME,
        TopicRefusal.INVALID_PARTITIONS,
    ]


@pytest.mark.parametrize("name", ["", ".", "a b", "x" * 250])
def test_a_bad_name_is_refused(name):
    assert refusals(NewTopic(name)) == [TopicRefusal.INVALID_TOPIC_NAME]


def test_colliding_names_are_refused_with_the_existing_name():
    [result] = decide(NewTopic("a.b"), existing=["a_b"])
    assert result.refusal is TopicRefusal.INVALID_TOPIC_NAME
    assert "collides with existing topic: a_b" in result.message
    assert refusals(NewTopic("a.b"), NewTopic("a_b")) == [None, TopicRefusal.INVALID_TOPIC_NAME]


def test_an_existing_name_is_refused_as_existing_and_not_as_colliding():
    assert refusals(NewTopic("a_b"), existing=["a_b"]) == [TopicRefusal.TOPIC_ALREADY_EXISTS]


def test_a_name_that_a_request_has_twice_is_refused_both_times():
    assert refusals(NewTopic("t"), NewTopic("u"), NewTopic("t", 5)) == [
        TopicRefusal.INVALID_REQUEST,
        None,
        TopicRefusal.INVALID_REQUEST,
    ]


def test_the_name_of_kafkas_metadata_log_is_refused():
    assert refusals(NewTopic("__cluster_metadata")) == [TopicRefusal.INVALID_REQUEST]


@pytest.mark.parametrize(
    "configs",
    [
        {"no.such": "1"},
        {"retention.ms": None},
        {"retention.ms": "soon"},
        {"remote.storage.enable": "true"},
        {"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"},
    ],
)
def test_a_wrong_config_is_refused_with_its_name(configs):
    [result] = decide(NewTopic("t", configs=configs))
    assert result.refusal is TopicRefusal.INVALID_CONFIG
    assert next(iter(configs)) in result.message


def test_configs_are_checked_together_with_the_brokers():
    topic = NewTopic("t", configs={"min.compaction.lag.ms": "10"})
    brokers = {"log.cleaner.max.compaction.lag.ms": "5"}
    assert refusals(topic, brokers=brokers) == [TopicRefusal.INVALID_CONFIG]


def test_an_assignment_sets_the_number_of_partitions():
    [result] = decide(NewTopic("t", assignments={1: [1, 0], 0: [0, 1], 2: [0, 1]}))
    assert len(result.topic.partitions) == 3


@pytest.mark.parametrize(
    ("topic", "refusal"),
    [
        pytest.param(
            NewTopic("t", 1, assignments={0: [0]}), TopicRefusal.INVALID_REQUEST, id="with a count"
        ),
        pytest.param(
            NewTopic("t", -1, 1, assignments={0: [0]}),
            TopicRefusal.INVALID_REQUEST,
            id="with a factor",
        ),
        pytest.param(
            NewTopic("t", assignments={1: [0]}), TopicRefusal.INVALID_REPLICA_ASSIGNMENT, id="no 0"
        ),
        pytest.param(
            NewTopic("t", assignments={0: [0], 2: [0]}),
            TopicRefusal.INVALID_REPLICA_ASSIGNMENT,
            id="a gap",
        ),
        pytest.param(
            NewTopic("t", assignments={-1: [0], 0: [0]}),
            TopicRefusal.INVALID_REPLICA_ASSIGNMENT,
            id="negative",
        ),
        pytest.param(
            NewTopic("t", assignments={0: []}),
            TopicRefusal.INVALID_REPLICA_ASSIGNMENT,
            id="no replicas",
        ),
        pytest.param(
            NewTopic("t", assignments={0: [1, 1]}),
            TopicRefusal.INVALID_REPLICA_ASSIGNMENT,
            id="duplicate replica",
        ),
        pytest.param(
            NewTopic("t", assignments={0: [2]}),
            TopicRefusal.INVALID_REPLICA_ASSIGNMENT,
            id="unknown broker",
        ),
        pytest.param(
            NewTopic("t", assignments={0: [0], 1: [0, 1]}),
            TopicRefusal.INVALID_REPLICA_ASSIGNMENT,
            id="unequal replica counts",
        ),
    ],
)
def test_an_assignment_that_kafka_would_refuse_is_refused(topic, refusal):
    [result] = decide(topic)
    assert result.refusal is refusal
    assert result.message


def test_no_topic_can_be_created_without_a_partition_service():
    assert refusals(NewTopic("t"), members=()) == [TopicRefusal.NO_OWNER]
    assert refusals(NewTopic("a b"), members=()) == [TopicRefusal.INVALID_TOPIC_NAME]
