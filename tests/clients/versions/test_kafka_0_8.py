"""A client of Kafka 0.8.0: Metadata, Produce, Fetch and ListOffsets in version 0."""

import threading

import pytest

from tests.support.wire.batches import record_batch
from tests.support.wire.kafka08 import EARLIEST, LATEST, Kafka08Client, Produced
from tests.support.wire.kafka_socket import KafkaSocket
from tests.support.wire.message_sets import message_set
from tests.support.wire.records import Header, Record, numbered

RECORDS = [Record(b"v%d" % n, b"k%d" % n) for n in range(10)]


@pytest.fixture
def old_client(broker):
    with KafkaSocket(broker.address) as connection:
        yield Kafka08Client(connection)


def test_metadata_lists_partitions_with_their_leader(old_client, broker, raw):
    topic = raw.create_topic(partitions=3)
    cluster = old_client.metadata(topic)
    (node,) = cluster.brokers
    assert f"{node.host}:{node.port}" == broker.address
    error_code, partitions = cluster.topics[topic]
    assert error_code == 0
    assert sorted(partition.partition for partition in partitions) == [0, 1, 2]
    assert {
        (partition.leader, *partition.replicas, *partition.isr) for partition in partitions
    } == {(node.node_id,) * 3}


def test_metadata_without_topics_lists_all_topics(old_client, topic):
    assert topic in old_client.metadata().topics


def test_metadata_creates_an_unknown_topic(old_client, topic):
    name = topic + "-auto"
    # Kafka 0.8 first returned LEADER_NOT_AVAILABLE, and clients retried; both are right.
    assert old_client.metadata(name).topics[name][0] in (0, 5)
    assert old_client.produce(name, 0, message_set(RECORDS, magic=0)) == Produced(0, 0)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy"])
def test_an_old_client_reads_its_own_records(codec, old_client, topic):
    assert old_client.produce(topic, 0, message_set(RECORDS, magic=0, codec=codec)) == Produced(
        0, 0
    )
    fetched = old_client.fetch(topic, 0, 0)
    assert (fetched.error_code, fetched.high_watermark) == (0, 10)
    assert [(m.offset, m.key, m.value) for m in fetched.messages] == [
        (offset, record.key, record.value) for offset, record in enumerate(RECORDS)
    ]
    assert {message.magic for message in fetched.messages} == {0}


def test_an_old_client_reads_the_records_of_current_clients(old_client, client, broker, topic):
    records = [Record(b"new", b"key", (Header("h", b"x"),)), Record(None, b"deleted")]
    client.produce(broker.address, topic, records, codec="lz4")
    messages = old_client.fetch(topic, 0, 0).messages
    assert [(m.key, m.value) for m in messages] == [(b"key", b"new"), (b"deleted", None)]


def test_acks_0_gets_no_response_and_the_connection_remains_open(old_client, topic):
    assert old_client.produce(topic, 0, message_set(RECORDS, magic=0), acks=0) is None
    assert old_client.produce(topic, 0, message_set(RECORDS, magic=0), acks=-1) == Produced(0, 10)
    assert len(old_client.fetch(topic, 0, 0).messages) == 20


def test_list_offsets_returns_an_array(old_client, topic):
    old_client.produce(topic, 0, message_set(RECORDS, magic=0))
    assert old_client.list_offsets(topic, 0, LATEST) == (0, [10])
    assert old_client.list_offsets(topic, 0, EARLIEST) == (0, [0])


def test_an_offset_past_the_end_and_unknown_partitions_are_refused(old_client, topic):
    assert old_client.fetch(topic, 0, 1).error_code == 1
    assert old_client.fetch(topic, 9, 0).error_code == 3
    assert old_client.produce(topic, 9, message_set(RECORDS, magic=0)).error_code == 3
    assert old_client.list_offsets(topic, 9, LATEST)[0] == 3


def test_a_waiting_fetch_is_answered_by_a_new_record(old_client, broker, raw, topic):
    responses = []
    waiting = threading.Thread(
        target=lambda: responses.append(
            old_client.fetch(topic, 0, 0, max_wait_ms=600_000, min_bytes=1)
        )
    )
    waiting.start()
    raw.produce(topic, record_batch(numbered(1)))
    waiting.join(timeout=30)
    assert [message.offset for message in responses[0].messages] == [0]
