"""A client of Kafka 0.8.0 end to end: Metadata, Produce, Fetch and ListOffsets, version 0."""

import threading

import pytest

from tests.support.wire.batches import record_batch
from tests.support.wire.kafka08 import EARLIEST, LATEST, Kafka08Client, Produced
from tests.support.wire.kafka_socket import KafkaSocket
from tests.support.wire.message_sets import message_set
from tests.support.wire.records import Header, Record, numbered

RECORDS = [Record(b"v%d" % n, b"k%d" % n) for n in range(10)]


@pytest.fixture
def old(broker):
    with KafkaSocket(broker.address) as connection:
        yield Kafka08Client(connection)


def test_it_finds_its_way_from_metadata_to_the_leader(old, broker, raw):
    topic = raw.create_topic(partitions=3)
    cluster = old.metadata(topic)
    (node,) = cluster.brokers
    assert f"{node.host}:{node.port}" == broker.address
    error_code, partitions = cluster.topics[topic]
    assert error_code == 0
    assert sorted(partition.partition for partition in partitions) == [0, 1, 2]
    assert {
        (partition.leader, *partition.replicas, *partition.isr) for partition in partitions
    } == {(node.node_id,) * 3}


def test_no_topic_named_means_all_topics(old, topic):
    assert topic in old.metadata().topics


def test_naming_a_topic_creates_it(old, topic):
    name = topic + "-auto"
    # 0.8 answered LEADER_NOT_AVAILABLE first and clients asked again; both are right.
    assert old.metadata(name).topics[name][0] in (0, 5)
    assert old.produce(name, 0, message_set(RECORDS, magic=0)) == Produced(0, 0)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy"])
def test_it_reads_what_it_wrote(codec, old, topic):
    assert old.produce(topic, 0, message_set(RECORDS, magic=0, codec=codec)) == Produced(0, 0)
    fetched = old.fetch(topic, 0, 0)
    assert (fetched.error_code, fetched.high_watermark) == (0, 10)
    assert [(m.offset, m.key, m.value) for m in fetched.messages] == [
        (offset, record.key, record.value) for offset, record in enumerate(RECORDS)
    ]
    assert {message.magic for message in fetched.messages} == {0}


def test_it_reads_what_a_client_of_today_wrote(old, client, broker, topic):
    today = [Record(b"new", b"key", (Header("h", b"x"),)), Record(None, b"deleted")]
    client.produce(broker.address, topic, today, codec="lz4")
    messages = old.fetch(topic, 0, 0).messages
    assert [(m.key, m.value) for m in messages] == [(b"key", b"new"), (b"deleted", None)]


def test_acks_0_gets_no_response_and_the_connection_stays(old, topic):
    assert old.produce(topic, 0, message_set(RECORDS, magic=0), acks=0) is None
    assert old.produce(topic, 0, message_set(RECORDS, magic=0), acks=-1) == Produced(0, 10)
    assert len(old.fetch(topic, 0, 0).messages) == 20


def test_offsets_come_as_an_array(old, topic):
    old.produce(topic, 0, message_set(RECORDS, magic=0))
    assert old.list_offsets(topic, 0, LATEST) == (0, [10])
    assert old.list_offsets(topic, 0, EARLIEST) == (0, [0])


def test_an_offset_past_the_end_and_unknown_partitions_are_refused(old, topic):
    assert old.fetch(topic, 0, 1).error_code == 1
    assert old.fetch(topic, 9, 0).error_code == 3
    assert old.produce(topic, 9, message_set(RECORDS, magic=0)).error_code == 3
    assert old.list_offsets(topic, 9, LATEST)[0] == 3


def test_a_waiting_fetch_is_answered_by_a_new_record(old, broker, raw, topic):
    answers = []
    waiting = threading.Thread(
        target=lambda: answers.append(old.fetch(topic, 0, 0, max_wait_ms=600_000, min_bytes=1))
    )
    waiting.start()
    raw.produce(topic, record_batch(numbered(1)))
    waiting.join(timeout=30)
    assert [message.offset for message in answers[0].messages] == [0]
