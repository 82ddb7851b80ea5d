"""Topics and configs through the admin clients of every library."""

import asyncio
import uuid

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewTopic as AioNewTopic
from aiokafka.admin.config_resource import ConfigResource as AioConfigResource
from aiokafka.admin.config_resource import ConfigResourceType as AioConfigResourceType
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType
from kafka import KafkaAdminClient

from tests.support.waiting import eventually
from tests.support.wire.records import numbered

WITHIN_S = 30


@pytest.fixture
def name():
    return f"admin-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def confluent(broker):
    admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
    # librdkafka closes its bootstrap connection once it has the brokers, and requests that are in
    # flight on it fail; so wait for that before a test sends requests.
    eventually(lambda: has_brokers(admin), what="a connected admin client")
    return admin


def has_brokers(admin):
    try:
        return bool(admin.list_topics(timeout=WITHIN_S).brokers)
    except KafkaException:
        return False


def results_of(futures):
    return {key: future.result(WITHIN_S) for key, future in futures.items()}


def create_topics(admin, *topics, **options):
    return results_of(admin.create_topics(list(topics), request_timeout=WITHIN_S, **options))


def test_confluent_creates_lists_and_deletes_a_topic(confluent, name):
    create_topics(confluent, NewTopic(name, num_partitions=5, replication_factor=1))
    listed = confluent.list_topics(timeout=WITHIN_S).topics[name]
    assert sorted(listed.partitions) == [0, 1, 2, 3, 4]
    assert all(
        partition.error is None and partition.leader >= 0
        for partition in listed.partitions.values()
    )
    results_of(confluent.delete_topics([name], request_timeout=WITHIN_S))
    assert name not in confluent.list_topics(timeout=WITHIN_S).topics


def test_confluent_describes_a_topic_with_its_id_and_leaders(confluent, name):
    create_topics(confluent, NewTopic(name, num_partitions=2, replication_factor=1))
    described = results_of(confluent.describe_topics(TopicCollection([name])))[name]
    assert [partition.id for partition in described.partitions] == [0, 1]
    assert str(described.topic_id)
    cluster = confluent.describe_cluster().result(WITHIN_S)
    assert {partition.leader.id for partition in described.partitions} <= {
        node.id for node in cluster.nodes
    }


def test_confluent_describes_the_cluster(confluent, broker):
    cluster = confluent.describe_cluster().result(WITHIN_S)
    assert cluster.cluster_id
    assert [f"{node.host}:{node.port}" for node in cluster.nodes] == [broker.address]
    assert cluster.controller.id in {node.id for node in cluster.nodes}


@pytest.mark.parametrize(
    ("make_topic", "code"),
    [
        pytest.param(lambda name: NewTopic(name, 1, 1), "TOPIC_ALREADY_EXISTS", id="twice"),
        pytest.param(
            lambda name: NewTopic(name.replace(".", "_"), 1, 1),
            "TOPIC_EXCEPTION",
            id="dot and underscore collide",
        ),
        pytest.param(lambda _: NewTopic("a topic", 1, 1), "TOPIC_EXCEPTION", id="invalid name"),
        pytest.param(lambda _: NewTopic("x" * 250, 1, 1), "TOPIC_EXCEPTION", id="long name"),
        pytest.param(
            lambda name: NewTopic(name + "0", 0, 1), "INVALID_PARTITIONS", id="no partition"
        ),
        pytest.param(
            lambda name: NewTopic(name + "r", 1, 3),
            "INVALID_REPLICATION_FACTOR",
            id="more replicas than brokers",
        ),
        pytest.param(
            lambda name: NewTopic(name + "c", 1, 1, config={"no.such.config": "1"}),
            "INVALID_CONFIG",
            id="unknown config",
        ),
        pytest.param(
            lambda name: NewTopic(name + "v", 1, 1, config={"retention.ms": "soon"}),
            "INVALID_CONFIG",
            id="invalid value",
        ),
    ],
)
def test_an_invalid_topic_is_refused_with_the_right_error(confluent, name, make_topic, code):
    dotted = name.replace("-", ".")
    invalid = make_topic(dotted)
    create_topics(confluent, NewTopic(dotted, 1, 1))
    with pytest.raises(KafkaException) as refusal:
        create_topics(confluent, invalid)
    assert code in refusal.value.args[0].name()


def test_validate_only_creates_nothing(confluent, name):
    create_topics(confluent, NewTopic(name, 1, 1), validate_only=True)
    assert name not in confluent.list_topics(timeout=WITHIN_S).topics


def test_deleting_an_unknown_topic_is_refused(confluent, name):
    with pytest.raises(KafkaException) as refusal:
        results_of(confluent.delete_topics([name], request_timeout=WITHIN_S))
    assert refusal.value.args[0].name() == "UNKNOWN_TOPIC_OR_PART"


def test_a_recreated_topic_is_empty_and_has_another_id(confluent, raw, client, broker, name):
    create_topics(confluent, NewTopic(name, 1, 1))
    first_id = raw.topic_id(name)
    client.produce(broker.address, name, numbered(10))
    results_of(confluent.delete_topics([name], request_timeout=WITHIN_S))
    create_topics(confluent, NewTopic(name, 1, 1))
    assert raw.topic_id(name) != first_id
    assert client.bounds(broker.address, name) == (0, 0)
    assert client.produce(broker.address, name, numbered(1)) == [0]


def test_confluent_describes_topic_configs_with_their_sources(confluent, name):
    create_topics(confluent, NewTopic(name, 1, 1, config={"retention.ms": "1234567"}))
    resource = ConfigResource(ResourceType.TOPIC, name)
    configs = results_of(confluent.describe_configs([resource]))[resource]
    assert configs["retention.ms"].value == "1234567"
    assert configs["retention.ms"].source == 1  # DYNAMIC_TOPIC_CONFIG
    assert configs["retention.ms"].is_default is False
    assert configs["cleanup.policy"].value == "delete"
    assert configs["cleanup.policy"].is_default is True
    assert configs["max.message.bytes"].value == "1048588"
    assert "message.max.bytes" in configs["max.message.bytes"].synonyms


def test_confluent_describes_broker_configs(confluent):
    node_id = str(confluent.describe_cluster().result(WITHIN_S).nodes[0].id)
    resource = ConfigResource(ResourceType.BROKER, node_id)
    configs = results_of(confluent.describe_configs([resource]))[resource]
    assert configs["message.max.bytes"].value == "1048588"
    assert configs["node.id"].value == node_id
    assert "auto.create.topics.enable" in configs


def test_configs_of_an_unknown_topic_are_refused(confluent, name):
    resource = ConfigResource(ResourceType.TOPIC, name)
    with pytest.raises(KafkaException) as refusal:
        results_of(confluent.describe_configs([resource]))
    assert refusal.value.args[0].name() == "UNKNOWN_TOPIC_OR_PART"


def test_kafka_python_creates_describes_and_deletes(broker, name):
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    try:
        admin.create_topics({name: {"num_partitions": 3, "replication_factor": 1}})
        (described,) = admin.describe_topics([name])
        assert len(described["partitions"]) == 3
        assert name in admin.list_topics()
        admin.delete_topics([name])
        assert name not in admin.list_topics()
        assert admin.describe_cluster()["cluster_id"]
    finally:
        admin.close()


def test_aiokafka_creates_describes_and_deletes(broker, name):
    async def run():
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
        await admin.start()
        try:
            created = await admin.create_topics(
                [AioNewTopic(name, 4, 1, topic_configs={"max.message.bytes": "2000"})]
            )
            assert [error[:2] for error in created.topic_errors] == [(name, 0)]
            (described,) = await admin.describe_topics([name])
            assert len(described["partitions"]) == 4
            assert name in await admin.list_topics()
            resource = AioConfigResource(AioConfigResourceType.TOPIC, name)
            (configs,) = await admin.describe_configs([resource])
            values = {entry[0]: entry[1] for entry in configs.resources[0][4]}
            assert values["max.message.bytes"] == "2000"
            await admin.delete_topics([name])
            assert name not in await admin.list_topics()
        finally:
            await admin.close()

    asyncio.run(asyncio.wait_for(run(), 2 * WITHIN_S))
