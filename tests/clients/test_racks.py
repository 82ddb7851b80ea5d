"""Clients that send their rack connect to the gateway there, with the real libraries' own logic."""

import asyncio
import json

import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaConsumer
from kafka import TopicPartition as PythonTopicPartition

from tests.support.clients.raw_client import RawClient
from tests.support.processes.cluster import Cluster
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

PARTITIONS = 4
RECORDS = 40
NEAR, FAR = 1, 0  # node ids: the gateway in the clients' rack, and the other one


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    racks = {"gateway-0": "far", "gateway-1": "near"}
    with Cluster(tmp_path_factory.mktemp("racks"), partitions=2, gateways=2) as running:
        for name, rack in racks.items():
            running.kill(name)
            running.start(name, broker_rack=rack)
        running.wait_until_ready()
        yield running
        running.assert_running()


@pytest.fixture(scope="module")
def topic(cluster):
    """Records in every partition, of which both gateways lead two."""
    with RawClient(cluster.kafka_address("gateway-0")) as raw:
        name = raw.create_topic(partitions=PARTITIONS)
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for number in range(RECORDS):
        producer.produce(name, b"%d" % number, partition=number % PARTITIONS)
    assert producer.flush(30) == 0
    assert leaders(cluster, name) == {NEAR, FAR}
    return name


def leaders(cluster, topic, client_id="a client"):
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "client.id": client_id})
    partitions = admin.list_topics(topic, timeout=30).topics[topic].partitions
    return {one.leader for one in partitions.values()}


def test_a_client_id_that_tells_a_rack_makes_the_gateway_there_lead(cluster, topic):
    assert leaders(cluster, topic, "app,rack=near") == {NEAR}
    assert leaders(cluster, topic, "app,rack=far") == {FAR}
    assert leaders(cluster, topic, "app,rack=nowhere") == {NEAR, FAR}


def test_confluents_consumer_reads_from_its_rack_and_survives_its_gateway(cluster, topic):
    asked: dict[int, int] = {}

    def statistics(text):
        statistics = json.loads(text)["topics"].get(topic, {"partitions": {}})["partitions"]
        asked.update(
            (int(number), one["broker"]) for number, one in statistics.items() if number != "-1"
        )

    consumer = Consumer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "client.rack": "near",
            "statistics.interval.ms": 50,
            "stats_cb": statistics,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        assert _values(consumer, RECORDS) == sorted(b"%d" % number for number in range(RECORDS))
        eventually(lambda: consumer.poll(0.05) or list(asked.values()) == [NEAR] * PARTITIONS)
        more = Producer({"bootstrap.servers": cluster.bootstrap})
        for number in range(PARTITIONS):
            more.produce(topic, b"more", partition=number)
        assert more.flush(30) == 0
        assert _values(consumer, PARTITIONS) == [b"more"] * PARTITIONS
        assert set(asked.values()) == {NEAR}
    finally:
        consumer.close()


def _values(consumer, count):
    return sorted(one.value() for one in consumer.consume(count, timeout=60))


def test_aiokafka_reads_everything_from_its_rack(cluster, topic):
    async def read():
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=cluster.bootstrap,
            client_rack="near",
            auto_offset_reset="earliest",
        )
        async with asyncio.timeout(60), consumer:
            return {(await anext(consumer)).value for _ in range(RECORDS)}

    assert asyncio.run(read()) <= {b"%d" % number for number in range(RECORDS)} | {b"more"}


def test_kafka_python_reads_everything_from_its_rack(cluster, topic):
    consumer = KafkaConsumer(
        bootstrap_servers=cluster.bootstrap.split(","),
        client_rack="near",
        auto_offset_reset="earliest",
        consumer_timeout_ms=60_000,
    )
    try:
        consumer.assign([PythonTopicPartition(topic, number) for number in range(PARTITIONS)])
        found = [next(consumer).value for _ in range(RECORDS)]
    finally:
        consumer.close()
    assert len(found) == RECORDS
