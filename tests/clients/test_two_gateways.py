"""Two gateways of one cluster: a change that one has acknowledged is visible through the other.

No client here retries: tests use raw requests, and librdkafka with retries turned off.
"""

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from tests.support.clients.raw_client import ADMIN_TIMEOUT_MS, CREATE_TOPICS, RawClient
from tests.support.processes.cluster import Cluster
from tests.support.wire.batches import record_batch
from tests.support.wire.kio_client import ask
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

TOPICS = 500
UNKNOWN_TOPIC_OR_PARTITION = 3
OFFSET_COMMIT, LIST_GROUPS = 8, 16
WITHIN_S = 60
BATCH = record_batch(numbered(1))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    settings = {"auto_create_topics_enable": "false"}
    with Cluster(tmp_path_factory.mktemp("two"), partitions=2, gateways=2, **settings) as running:
        yield running


@pytest.fixture
def gateways(cluster):
    """Connections to the two gateways."""
    first, second = map(cluster.kafka_address, cluster.gateways)
    with RawClient(first) as first_client, RawClient(second) as second_client:
        yield first_client, second_client


def test_a_topic_created_through_one_gateway_accepts_appends_through_the_other_at_once(gateways):
    for number in range(TOPICS):
        first, second = gateways if number % 2 else reversed(gateways)
        topic = first.create_topic(partitions=2)
        assert second.produce(topic, BATCH, partition=number % 2) == (0, 0)


def test_topics_created_by_one_request_accept_appends_through_the_other_at_once(gateways):
    first, second = gateways
    names = [f"together-{number}" for number in range(TOPICS)]
    topics = [
        {
            "name": name,
            "num_partitions": 1,
            "replication_factor": 1,
            "assignments": [],
            "configs": [],
        }
        for name in names
    ]
    values = {"topics": topics, "timeout": ADMIN_TIMEOUT_MS, "validate_only": False}
    created = ask(first, CREATE_TOPICS, 7, values).topics
    assert {topic.error_code for topic in created} == {0}
    assert [second.produce(name, BATCH) for name in names] == [(0, 0)] * TOPICS


def test_a_topic_deleted_through_one_gateway_is_unknown_to_the_other(gateways):
    first, second = gateways
    for _ in range(50):
        topic = first.create_topic()
        assert second.produce(topic, BATCH) == (0, 0)
        assert first.delete_topic(topic) == 0
        assert second.produce(topic, BATCH).error_code == UNKNOWN_TOPIC_OR_PARTITION
        assert second.metadata(topic).topics[0].error_code == UNKNOWN_TOPIC_OR_PARTITION


def test_a_record_appended_through_one_gateway_is_read_through_the_other(gateways):
    first, second = gateways
    topic = first.create_topic()
    for number in range(50):
        assert first.produce(topic, BATCH) == (0, number)
        assert second.fetch(topic, number).offsets == [number]


def test_librdkafka_without_retries_finds_every_topic_created_through_the_other(cluster, gateways):
    first, _ = gateways
    errors = []
    producer = Producer(
        {
            # The bootstrap gateway, whose metadata names both as leaders.
            "bootstrap.servers": cluster.kafka_address(cluster.gateways[1]),
            "retries": 0,
            "topic.metadata.refresh.interval.ms": -1,
            # An unknown topic is an error at once, without retries until it appears.
            "topic.metadata.propagation.max.ms": 0,
            "linger.ms": 0,
            "log_level": 0,
        }
    )
    for _ in range(50):
        topic = first.create_topic(partitions=2)
        for partition in range(2):
            producer.produce(
                topic, b"x", partition=partition, on_delivery=lambda error, _: errors.append(error)
            )
        assert producer.flush(60) == 0
    refused = [KafkaException(error) for error in errors if error is not None]
    assert not refused
    assert len(errors) == 100


def test_every_group_is_listed_by_one_gateway_and_once_by_clients(cluster, gateways):
    first, _ = gateways
    topic = first.create_topic()
    names = {f"listed-{number}" for number in range(20)}
    for name in names:
        partition = {
            "partition_index": 0,
            "committed_offset": 1,
            "committed_leader_epoch": -1,
            "committed_metadata": "",
        }
        values = {
            "group_id": name,
            "generation_id_or_member_epoch": -1,
            "member_id": "",
            "group_instance_id": None,
            "topics": [{"name": topic, "partitions": [partition]}],
        }
        (response,) = ask(first, OFFSET_COMMIT, 8, values).topics
        assert response.partitions[0].error_code == 0
    values = {"states_filter": [], "types_filter": []}
    listed = [
        {group.group_id for group in ask(gateway, LIST_GROUPS, 5, values).groups} & names
        for gateway in gateways
    ]
    assert all(listed)
    assert (listed[0] | listed[1], listed[0] & listed[1]) == (names, set())
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    groups = admin.list_consumer_groups().result(WITHIN_S).valid
    assert sorted(group.group_id for group in groups if group.group_id in names) == sorted(names)
