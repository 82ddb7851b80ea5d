"""A running Apache Kafka broker with a small heap, for tests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.clients.raw_client import could_create_topics
from tests.support.kafka.kafka_node import formatted_node
from tests.support.processes.processes import BrokerProcess
from tests.support.waiting import eventually

_READY_WITHIN_S: Final = 120
_JVM_OPTIONS: Final = ("-Xms512m", "-Xmx512m", "-XX:+UseSerialGC")


@contextmanager
def running_kafka(folder: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Address of a running broker with its data in `folder`. `settings` have Kafka's names."""
    with formatted_node(folder, settings) as node:
        process = BrokerProcess("kafka", node.command(_JVM_OPTIONS))
        try:
            eventually(
                lambda: could_create_topics(node.address),
                within_s=_READY_WITHIN_S,
                what=f"Apache Kafka\n{process.tail}",
            )
            yield node.address
        finally:
            process.kill()
