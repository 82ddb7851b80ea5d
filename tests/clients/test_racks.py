"""Clients that send their rack read from the gateway in it, by the logic of the real libraries."""

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
NEAR, FAR = 1, 0  # node ids: the gateway in the rack of the clients, and the other one


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
    """A topic with records in every partition; each gateway leads some of the partitions."""
    with RawClient(cluster.kafka_address("gateway-0")) as raw:
        name = raw.create_topic(partitions=PARTITIONS)
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for number in range(RECORDS):
        producer.produce(name, b"%d" % number, partition=number % PARTITIONS)
    assert producer.flush(30) == 0
    assert list_leaders(cluster, name) == {NEAR, FAR}
    return name


def list_leaders(cluster, topic, client_id="a client"):
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "client.id": client_id})
    partitions = admin.list_topics(topic, timeout=30).topics[topic].partitions
    return {partition.leader for partition in partitions.values()}


def test_a_client_id_with_a_rack_makes_the_gateway_in_that_rack_lead(cluster, topic):
    assert list_leaders(cluster, topic, "app,rack=near") == {NEAR}
    assert list_leaders(cluster, topic, "app,rack=far") == {FAR}
    assert list_leaders(cluster, topic, "app,rack=nowhere") == {NEAR, FAR}


def test_confluents_consumer_reads_from_its_rack_and_continues_with_new_records(cluster, topic):
    brokers: dict[int, int] = {}

    def on_statistics(text):
        partitions = json.loads(text)["topics"].get(topic, {"partitions": {}})["partitions"]
        brokers.update(
            (int(number), statistics["broker"])
            for number, statistics in partitions.items()
            if number != "-1"
        )

    consumer = Consumer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "client.rack": "near",
            "statistics.interval.ms": 50,
            "stats_cb": on_statistics,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        assert _read_values(consumer, RECORDS) == sorted(
            b"%d" % number for number in range(RECORDS)
        )
        eventually(lambda: consumer.poll(0.05) or list(brokers.values()) == [NEAR] * PARTITIONS)
        producer = Producer({"bootstrap.servers": cluster.bootstrap})
        for number in range(PARTITIONS):
            producer.produce(topic, b"more", partition=number)
        assert producer.flush(30) == 0
        assert _read_values(consumer, PARTITIONS) == [b"more"] * PARTITIONS
        assert set(brokers.values()) == {NEAR}
    finally:
        consumer.close()


def _read_values(consumer, count):
    return sorted(message.value() for message in consumer.consume(count, timeout=60))


def test_aiokafka_reads_all_records_from_its_rack(cluster, topic):
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


def test_kafka_python_reads_all_records_from_its_rack(cluster, topic):
    consumer = KafkaConsumer(
        bootstrap_servers=cluster.bootstrap.split(","),
        client_rack="near",
        auto_offset_reset="earliest",
        consumer_timeout_ms=60_000,
    )
    try:
        consumer.assign([PythonTopicPartition(topic, number) for number in range(PARTITIONS)])
        values = [next(consumer).value for _ in range(RECORDS)]
    finally:
        consumer.close()
    assert len(values) == RECORDS
