"""Many connections, partitions, producers and readers at a time."""

import asyncio
import threading

from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as ConfluentPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support.clients.raw_client import API_VERSIONS, LATEST, RawClient
from tests.support.wire.batches import record_batch
from tests.support.wire.kio_client import ask
from tests.support.wire.records import numbered

WITHIN_S = 60
BATCH = record_batch(numbered(2))


def test_200_connections_at_once_produce_and_fetch(broker, raw):
    topic = raw.create_topic(partitions=4)
    connections = [RawClient(broker.address) for _ in range(200)]
    try:
        for number, connection in enumerate(connections):
            assert ask(connection, API_VERSIONS, 0).error_code == 0
            assert connection.produce(topic, BATCH, partition=number % 4)[0] == 0
        for number, connection in enumerate(connections):
            fetched = connection.fetch(topic, 0, partition=number % 4)
            assert fetched.offsets == list(range(100))
    finally:
        for connection in connections:
            connection.close()


def test_20_concurrent_producers_get_unique_ascending_offsets(broker, raw):
    """Records are lost if an offset is read before an await and written after it."""
    topic = raw.create_topic()
    produced = [[] for _ in range(20)]

    def produce(number):
        with RawClient(broker.address) as producer:
            for n in range(25):
                batch = record_batch(numbered(3, start=number * 1000 + n * 3))
                produced[number].append(producer.produce(topic, batch))

    threads = [threading.Thread(target=produce, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=WITHIN_S)
    base_offsets = sorted(result.base_offset for results in produced for result in results)
    assert base_offsets == list(range(0, 1500, 3))
    assert all(results == sorted(results) and len(results) == 25 for results in produced)
    assert raw.offset_at(topic, LATEST) == 1500


def test_1000_partitions_are_created_produced_to_and_listed(broker, raw):
    admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
    topic = raw.create_topic() + "-wide"
    admin.create_topics([NewTopic(topic, 1000, 1)], request_timeout=WITHIN_S)[topic].result(
        WITHIN_S
    )
    listed = admin.list_topics(topic, timeout=WITHIN_S).topics[topic]
    assert sorted(listed.partitions) == list(range(1000))
    errors = []
    producer = Producer({"bootstrap.servers": broker.address, "log_level": 0, "linger.ms": 20})
    for partition in range(1000):
        producer.produce(
            topic,
            b"%d" % partition,
            partition=partition,
            on_delivery=lambda error, _: errors.append(error),
        )
    assert producer.flush(WITHIN_S) == 0
    assert errors == [None] * 1000
    assert read_first_values(broker.address, topic) == {n: b"%d" % n for n in range(1000)}


def read_first_values(address, topic):
    async def read():
        targets = [TopicPartition(topic, partition) for partition in range(1000)]
        values = {}
        async with AIOKafkaConsumer(
            bootstrap_servers=address, group_id=None, auto_offset_reset="earliest"
        ) as consumer:
            consumer.assign(targets)
            while len(values) < 1000:
                message = await consumer.getone()
                assert message.partition not in values
                values[message.partition] = message.value
        return values

    return asyncio.run(asyncio.wait_for(read(), WITHIN_S))


def test_a_reader_follows_a_writer_record_by_record(broker, topic):
    """Produces each record after the one before was read, so that no polling interval can pass."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "never-joined",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 60_000,
            "log_level": 0,
        }
    )
    producer = Producer({"bootstrap.servers": broker.address, "linger.ms": 0, "log_level": 0})
    try:
        consumer.assign([ConfluentPartition(topic, 0, 0)])
        for number in range(200):
            producer.produce(topic, b"%d" % number, partition=0)
            producer.poll(0)
            message = consumer.poll(WITHIN_S / 2)
            assert message is not None, f"record {number} was not received"
            assert (message.error(), message.value()) == (None, b"%d" % number)
        assert producer.flush(WITHIN_S) == 0
    finally:
        consumer.close()


def test_a_reader_sees_no_gaps_while_writers_append(broker, topic):
    stop = threading.Event()

    def write():
        with RawClient(broker.address) as client:
            while not stop.is_set():
                client.produce(topic, record_batch(numbered(5)))

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        with RawClient(broker.address) as reader:
            expected = 0
            while expected < 1000:
                fetched = reader.fetch(topic, expected, max_wait_ms=30_000, max_bytes=4096)
                assert fetched.offsets == list(range(expected, expected + len(fetched.offsets)))
                assert fetched.offsets[-1] < fetched.high_watermark
                expected = fetched.offsets[-1] + 1
    finally:
        stop.set()
        for writer in writers:
            writer.join(timeout=WITHIN_S)
