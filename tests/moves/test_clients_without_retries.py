"""A client that does not retry sees neither an error nor another order while its partition moves.

It follows that the gateway buffers and retries the appends that a member refuses during the move.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import Producer

from tests.support.clients.raw_client import FETCH, LIST_OFFSETS, OFFSET_FOR_LEADER_EPOCH, RawClient
from tests.support.wire.batches import record_batch
from tests.support.wire.kio_client import ask
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH = 74, 75
ROUNDS = 3


@pytest.fixture
def raw(cluster):
    with RawClient(cluster.bootstrap) as client:
        yield client


@pytest.fixture
def topic(raw):
    name = raw.create_topic()
    yield name
    assert raw.delete_topic(name) == 0


def move_partition(cluster, topic):
    """Moves partition 0 to the other member, and adds the first one to the ring again."""
    before = cluster.ring.topic(topic).partitions[0]
    assert cluster.ring.drain(before.owner) is None
    cluster.ring.wait_until_settled()
    assert cluster.ring.topic(topic).partitions[0].owner != before.owner
    assert cluster.ring.add(before.owner) is None
    cluster.ring.wait_until_settled()


@pytest.mark.parametrize("acks", ["all", "1"])
def test_five_requests_in_flight_stay_in_order_without_an_error(cluster, topic, acks):
    errors, delivered = [], []

    def on_delivery(error, message) -> None:
        if error is None:
            delivered.append((message.offset(), int(message.value())))
        else:
            errors.append(error)

    producer = Producer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "acks": acks,
            "retries": 0,
            "max.in.flight.requests.per.connection": 5,
            "linger.ms": 0,
            "batch.num.messages": 1,
        }
    )
    sent = 0
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(lambda: [move_partition(cluster, topic) for _ in range(ROUNDS)])
        while not moving.done():
            producer.produce(topic, b"%d" % sent, partition=0, on_delivery=on_delivery)
            sent += 1
            # Keep enough records in flight that some are when the partition moves.
            while len(producer) >= 20:
                producer.poll(0.1)
        moving.result()
    assert producer.flush(60) == 0
    assert not errors
    assert delivered == [(n, n) for n in range(sent)]
    assert cluster.ring.topic(topic).partitions[0].leader_epoch >= ROUNDS


def send_leader_epoch(raw, topic, epoch):
    """Sends each request that has a leader epoch (KIP-320); returns the set of error codes."""
    partition = {"partition": 0, "current_leader_epoch": epoch}
    fetch = ask(
        raw,
        FETCH,
        12,
        {
            "replica_id": -1,
            "max_wait": 0,
            "min_bytes": 1,
            "max_bytes": 1000,
            "isolation_level": 0,
            "topics": [
                {
                    "topic": topic,
                    "partitions": [partition | {"fetch_offset": 0, "partition_max_bytes": 1000}],
                }
            ],
            "forgotten_topics_data": [],
        },
    )
    list_offsets = ask(
        raw,
        LIST_OFFSETS,
        6,
        {
            "replica_id": -1,
            "isolation_level": 0,
            "topics": [
                {
                    "name": topic,
                    "partitions": [
                        {"partition_index": 0, "current_leader_epoch": epoch, "timestamp": -1}
                    ],
                }
            ],
        },
    )
    epoch_end = ask(
        raw,
        OFFSET_FOR_LEADER_EPOCH,
        4,
        {
            "replica_id": -1,
            "topics": [{"topic": topic, "partitions": [partition | {"leader_epoch": 0}]}],
        },
    )
    return {
        fetch.responses[0].partitions[0].error_code,
        list_offsets.topics[0].partitions[0].error_code,
        epoch_end.topics[0].partitions[0].error_code,
    }


def test_every_api_fences_an_unknown_leader_epoch(cluster, raw, topic):
    raw.produce(topic, record_batch(numbered(1)))
    move_partition(cluster, topic)
    epoch = raw.metadata(topic).topics[0].partitions[0].leader_epoch
    assert epoch > 0
    assert send_leader_epoch(raw, topic, epoch) == {0}
    assert send_leader_epoch(raw, topic, epoch - 1) == {FENCED_LEADER_EPOCH}
    assert send_leader_epoch(raw, topic, epoch + 1) == {UNKNOWN_LEADER_EPOCH}
