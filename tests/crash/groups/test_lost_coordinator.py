"""A consumer that looks up its offsets while the coordinator of its group is down."""

import json

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.clients.adapters.confluent import ConfluentClient
from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import three_processes
from tests.support.waiting import eventually
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

WITHIN_S = 30.0


class CountingConsumer:
    """A consumer of one partition; `retries` counts the requests that it repeated.

    Only requests to the coordinator count. Statistics and records arrive while `poll` is called.
    """

    def __init__(self, address):
        self.retries = 0
        self.consumer = Consumer(
            {
                "bootstrap.servers": address,
                "group.id": "g",
                "auto.offset.reset": "earliest",
                "statistics.interval.ms": 20,
                "stats_cb": self._on_statistics,
                "log_level": 0,
            }
        )

    def _on_statistics(self, text):
        coordinator = json.loads(text)["brokers"].get("GroupCoordinator", {})
        self.retries = coordinator.get("txretries", 0)

    def has_retried(self):
        self.consumer.poll(0)
        return self.retries > 0

    def has_read(self):
        message = self.consumer.poll(0)
        return message is not None and message.error() is None


def test_consumer_reads_after_its_coordinator_was_down_during_offset_fetch(tmp_path):
    with three_processes(tmp_path) as broker, RawClient(broker.address) as raw:
        partition = TopicPartition(raw.create_topic(), 0)
        reader = CountingConsumer(broker.address)
        # Finds the coordinator, so that the next OffsetFetch is sent at once.
        reader.consumer.committed([partition], timeout=WITHIN_S)
        broker.kill("partition")
        reader.consumer.assign([partition])
        eventually(reader.has_retried, within_s=WITHIN_S, what="a repeated OffsetFetch")
        broker.start("partition")
        broker.wait_until_ready()
        ConfluentClient().produce(broker.address, partition.topic, numbered(1))
        eventually(reader.has_read, within_s=WITHIN_S, what="the new record")
        reader.consumer.close()
