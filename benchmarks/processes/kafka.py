"""Starts Apache Kafka, the peer of the reports: one KRaft node in a JVM, with Kafka's defaults."""

import re
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

from benchmarks.load import client
from benchmarks.processes.brokers import Broker, stopping
from benchmarks.processes.processes import Process
from benchmarks.report.results import KAFKA, KAFKA_FLUSH
from tests.support.clients.raw_client import could_create_topics
from tests.support.kafka.kafka_node import KafkaNode, formatted_node, kafka_version

#: Options of kafka-server-start.sh and kafka-run-class.sh: 1 GB of heap, G1.
JVM_OPTIONS: Final = (
    "-server",
    "-Xms1G",
    "-Xmx1G",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
)
#: Syncs each batch before it is acknowledged, whatever its acks are.
FLUSH: Final = {"log.flush.interval.messages": "1"}
#: Deleted topics leave the disk before the next round, not a minute later, in the middle of it.
_DELETE_SOON: Final = {"log.segment.delete.delay.ms": "1000"}


class KafkaProcess(Process):
    """A running JVM."""

    program: ClassVar[str] = "java"


class KafkaBroker(Broker):
    """A running node of Apache Kafka."""

    cuts_batches: ClassVar[bool] = True

    def __init__(self, subject: str, process: Process, node: KafkaNode) -> None:
        self._process = process
        self._node = node
        super().__init__(subject, [process])

    def _find_addresses(self) -> list[tuple[str, int]]:
        host, _, port = self._node.address.rpartition(":")
        return [(host, int(port))]

    async def first_answer(self) -> float:
        """Seconds to the first ApiVersions response. Returns when topics can be created."""
        self._process.wait_until(self._connects)
        seconds = await super().first_answer()
        self._process.wait_until(self._creates_topics)
        return seconds

    def _connects(self) -> bool | None:
        try:
            socket.create_connection(self.target.address).close()
        except OSError:
            return None
        return True

    def _creates_topics(self) -> bool | None:
        """None until the controller has registered the broker."""
        return could_create_topics(self._node.address) or None

    async def delete_topics(self, names: Sequence[str]) -> None:
        """Returns when their files are deleted, too."""
        await client.delete_topics(self.target.address, names)
        folders = [f"{name}-*" for name in names]
        self._process.wait_until(
            lambda: not any(any(self._node.logs.glob(folder)) for folder in folders) or None
        )


@contextmanager
def kafka(data: Path) -> Iterator[KafkaBroker]:
    """Kafka's defaults: a batch is acknowledged from the page cache, with acks=all too."""
    with _running(KAFKA, data, {}) as broker:
        yield broker


@contextmanager
def kafka_flush(data: Path) -> Iterator[KafkaBroker]:
    """The same; each batch is synced before it is acknowledged."""
    with _running(KAFKA_FLUSH, data, FLUSH) as broker:
        yield broker


def versions() -> str:
    """Versions of Kafka and of the JVM, for the report."""
    output = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    found = re.search(r'version "([^"]+)"', output)
    return f"{kafka_version()}, Java {found[1] if found else 'of unknown version'}"


@contextmanager
def _running(subject: str, data: Path, settings: Mapping[str, str]) -> Iterator[KafkaBroker]:
    data.mkdir(parents=True, exist_ok=True)
    with formatted_node(data, {**_DELETE_SOON, **settings}) as node:
        program, *arguments = node.command(JVM_OPTIONS)
        assert program == KafkaProcess.program
        process = KafkaProcess("kafka", arguments, log_path=data / "kafka.log")
        with stopping(process):
            yield KafkaBroker(subject, process, node)
