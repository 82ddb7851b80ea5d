"""A real idempotent producer whose owner is killed at the fence of a move.

Appends in flight to the killed source are lost, and later ones wait in the gateway. If the later
ones reached an owner first, librdkafka would get OUT_OF_ORDER_SEQUENCE_NUMBER, raise its epoch and
send all batches again, including those that are stored already.
"""

import json

import pytest
from confluent_kafka import Producer

from tests.support.clients.raw_client import RawClient
from tests.support.processes.cluster import METADATA
from tests.support.processes.failpoints import count_reached, wait_until_at
from tests.support.waiting import eventually
from tests.support.wire.batches import batch_offsets, batch_values

pytestmark = pytest.mark.slow

ROUNDS = 2


class SingleRecordProducer:
    """An idempotent librdkafka producer; each record is a number in a batch of its own."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.acknowledged: list[tuple[int, int]] = []  # offset, number
        self.errors: list[str] = []
        self._topic = topic
        self._sent = 0
        self._in_flight = 0
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "max.in.flight.requests.per.connection": 5,
                "linger.ms": 0,
                "batch.num.messages": 1,
                "retry.backoff.ms": 20,
                "reconnect.backoff.max.ms": 500,
                "statistics.interval.ms": 10,
                "stats_cb": self._on_statistics,
            }
        )

    def produce(self, count: int) -> None:
        for _ in range(count):
            self._producer.produce(
                self._topic, b"%d" % self._sent, partition=0, on_delivery=self._on_delivery
            )
            self._sent += 1

    def wait_until_in_flight(self, count: int) -> None:
        """Waits until `count` records are sent to the gateway and not acknowledged."""

        def are_in_flight() -> bool:
            self._producer.poll(0.01)
            return self._in_flight == count

        eventually(are_in_flight, what=f"{count} records in flight")

    def finish(self) -> None:
        """Waits until every record is acknowledged."""
        assert self._producer.flush(60) == 0

    def _on_statistics(self, text: str) -> None:
        topic = json.loads(text)["topics"].get(self._topic)
        partition = topic["partitions"].get("0") if topic else None
        if partition is not None:
            self._in_flight = partition["msgs_inflight"]

    def _on_delivery(self, error, message) -> None:
        if error is not None:
            self.errors.append(str(error))
        else:
            self.acknowledged.append((message.offset(), int(message.value())))


def lose_appends_at_the_fence(cluster, topic, producer):
    """Kills the source while two batches are in flight to it, and two wait behind the fence."""
    source = cluster.ring.topic(topic).partitions[0].owner
    (target,) = (member for member in cluster.members if member != source)
    before_fence, at_fence = "move.metadata.fence.before", "move.target.fence"
    metadata_before = count_reached(cluster.processes[METADATA], before_fence)
    target_before = count_reached(cluster.processes[target], at_fence)
    with cluster.failpoints.held(at_fence):
        with cluster.failpoints.held(before_fence):
            cluster.ring.request_drain(source)
            wait_until_at(cluster.processes[METADATA], before_fence, after=metadata_before)
            cluster.processes[source].pause()
            producer.produce(2)
            producer.wait_until_in_flight(2)
        wait_until_at(cluster.processes[target], at_fence, after=target_before)
        producer.produce(2)
        producer.wait_until_in_flight(4)
        cluster.kill(source)
    cluster.start(source)
    cluster.wait_until_alive(source, target)


def test_records_are_stored_once_in_order_under_the_first_producer_epoch(cluster):
    with RawClient(cluster.bootstrap) as raw:
        topic = raw.create_topic()
        producer = SingleRecordProducer(cluster.bootstrap, topic)
        for _ in range(ROUNDS):
            producer.produce(1)
            producer.finish()
            lose_appends_at_the_fence(cluster, topic, producer)
            producer.finish()
            cluster.ring.wait_until_settled()
            for member in cluster.members:
                assert cluster.ring.add(member) is None
            cluster.ring.wait_until_settled()
        batches = raw.fetch_all(topic)
        assert not producer.errors
        assert producer.acknowledged == [(n, n) for n in range(5 * ROUNDS)]
        assert [int(value) for value in batch_values(batches)] == list(range(5 * ROUNDS))
        assert [batch_offsets(batch).start for batch in batches] == list(range(len(batches)))
        epochs = {int.from_bytes(batch[51:53], "big", signed=True) for batch in batches}
        assert epochs == {0}
        assert raw.delete_topic(topic) == 0
