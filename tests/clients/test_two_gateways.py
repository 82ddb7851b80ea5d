"""Two gateways are one cluster: what one has answered, the other knows already.

No client here tries anything twice: raw requests, and librdkafka with its retries turned off.
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
    """A connection to each of the two."""
    first, second = map(cluster.kafka_address, cluster.gateways)
    with RawClient(first) as one, RawClient(second) as other:
        yield one, other


def test_a_topic_made_through_one_is_written_to_through_the_other_at_once(gateways):
    for number in range(TOPICS):
        here, there = gateways if number % 2 else reversed(gateways)
        topic = here.create_topic(partitions=2)
        assert there.produce(topic, BATCH, partition=number % 2) == (0, 0)


def test_so_are_topics_that_were_made_by_one_request(gateways):
    here, there = gateways
    names = [f"together-{number}" for number in range(TOPICS)]
    asked = [
        {
            "name": name,
            "num_partitions": 1,
            "replication_factor": 1,
            "assignments": [],
            "configs": [],
        }
        for name in names
    ]
    values = {"topics": asked, "timeout": ADMIN_TIMEOUT_MS, "validate_only": False}
    created = ask(here, CREATE_TOPICS, 7, values).topics
    assert {one.error_code for one in created} == {0}
    assert [there.produce(name, BATCH) for name in names] == [(0, 0)] * TOPICS


def test_a_topic_deleted_by_one_gateway_is_gone_from_the_other(gateways):
    here, there = gateways
    for _ in range(50):
        topic = here.create_topic()
        assert there.produce(topic, BATCH) == (0, 0)
        assert here.delete_topic(topic) == 0
        assert there.produce(topic, BATCH).error_code == UNKNOWN_TOPIC_OR_PARTITION
        assert there.metadata(topic).topics[0].error_code == UNKNOWN_TOPIC_OR_PARTITION


def test_a_record_written_by_one_client_is_read_by_the_other(gateways):
    here, there = gateways
    topic = here.create_topic()
    for number in range(50):
        assert here.produce(topic, BATCH) == (0, number)
        assert there.fetch(topic, number).offsets == [number]


def test_librdkafka_without_retries_finds_every_new_topic_behind_the_other(cluster, gateways):
    here, _ = gateways
    errors = []
    producer = Producer(
        {
            # One gateway to ask; it names both as leaders.
            "bootstrap.servers": cluster.kafka_address(cluster.gateways[1]),
            "retries": 0,
            "topic.metadata.refresh.interval.ms": -1,
            # Unknown is unknown: not asked for again until it appears.
            "topic.metadata.propagation.max.ms": 0,
            "linger.ms": 0,
            "log_level": 0,
        }
    )
    for _ in range(50):
        topic = here.create_topic(partitions=2)
        for partition in range(2):
            producer.produce(
                topic, b"x", partition=partition, on_delivery=lambda error, _: errors.append(error)
            )
        assert producer.flush(60) == 0
    refused = [KafkaException(error) for error in errors if error is not None]
    assert not refused
    assert len(errors) == 100


def test_every_group_is_listed_by_one_of_them_and_once_by_clients(cluster, gateways):
    here, _ = gateways
    topic = here.create_topic()
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
        (answer,) = ask(here, OFFSET_COMMIT, 8, values).topics
        assert answer.partitions[0].error_code == 0
    asked = {"states_filter": [], "types_filter": []}
    listed = [
        {group.group_id for group in ask(gateway, LIST_GROUPS, 5, asked).groups} & names
        for gateway in gateways
    ]
    assert all(listed)
    assert (listed[0] | listed[1], listed[0] & listed[1]) == (names, set())
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    found = admin.list_consumer_groups().result(WITHIN_S).valid
    assert sorted(one.group_id for one in found if one.group_id in names) == sorted(names)
