"""A formatted Apache Kafka node (KRaft), not started, of the version in pom.xml beside this.

Maven fetches its jars once into build/kafka; later runs need no network.
"""

import fcntl
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.processes.ports import ReservedPort
from tests.support.processes.processes import REPOSITORY
from tests.support.tools import need

#: Programs that a node needs.
TOOLS: Final = ("java", "mvn")
_POM: Final = Path(__file__).with_name("pom.xml")
_JARS: Final = REPOSITORY / "build" / "kafka"
_FETCH_WITHIN_S: Final = 600
_FORMAT_WITHIN_S: Final = 120
_CLUSTER_ID: Final = "MkU3OEVBNTcwNTJENDM2Qg"

_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
listeners=PLAINTEXT://{kafka},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{kafka}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={logs}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


class KafkaNode(NamedTuple):
    """A node's address for clients, its properties file, and the folder of its logs."""

    address: str
    properties: Path
    logs: Path

    def command(self, jvm_options: Sequence[str]) -> list[str]:
        """Command line that runs the node in the foreground."""
        return [*_java(jvm_options), "kafka.Kafka", str(self.properties)]


def kafka_version() -> str:
    """Version of Apache Kafka that pom.xml names."""
    found = re.search(r"<artifactId>kafka_.*?<version>(.+?)<", _POM.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@contextmanager
def formatted_node(folder: Path, settings: Mapping[str, str]) -> Iterator[KafkaNode]:
    """A node with its data in `folder`, on reserved ports. `settings` have Kafka's names.

    Logs that are in `folder` stay.
    """
    _fetch_jars()
    kafka, controller = ReservedPort(), ReservedPort()
    node = KafkaNode(kafka.address, folder / "server.properties", folder / "logs")
    text = _PROPERTIES.format(kafka=kafka.address, controller=controller.address, logs=node.logs)
    text += "".join(f"{name}={value}\n" for name, value in settings.items())
    node.properties.write_text(text)
    tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", _CLUSTER_ID]
    command = [*_java(), *tool, "-c", str(node.properties)]
    subprocess.run(command, capture_output=True, check=True, timeout=_FORMAT_WITHIN_S)
    try:
        yield node
    finally:
        kafka.release()
        controller.release()


def _java(options: Sequence[str] = ()) -> list[str]:
    return ["java", "-cp", f"{_JARS}/*", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", *options]


def _fetch_jars() -> None:
    """Fetches Kafka's jars if needed. Skips the test, or fails it, if a tool is missing."""
    for tool in TOOLS:
        need(shutil.which(tool), tool)
    _JARS.mkdir(parents=True, exist_ok=True)
    stamp = _JARS / "fetched"
    with (_JARS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != _POM.read_text():
            command = ["mvn", "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies"]
            completed = subprocess.run(
                [*command, f"-DoutputDirectory={_JARS}"],
                capture_output=True,
                text=True,
                timeout=_FETCH_WITHIN_S,
                check=False,
            )
            assert completed.returncode == 0, completed.stdout + completed.stderr
            stamp.write_text(_POM.read_text())
