"""A real Apache Kafka broker (KRaft, one node), of the version in the pom.xml of this folder.

Maven fetches its jars once into build/kafka; later runs need no network.
"""

import fcntl
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.clients.raw_client import could_create_topics
from tests.support.processes.ports import ReservedPort
from tests.support.processes.processes import REPOSITORY, BrokerProcess
from tests.support.tools import need
from tests.support.waiting import eventually

_POM: Final = Path(__file__).with_name("pom.xml")
_JARS: Final = REPOSITORY / "build" / "kafka"
_FETCH_WITHIN_S: Final = 600
_READY_WITHIN_S: Final = 120
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
log.dirs={folder}/logs
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


def fetch_jars() -> Path:
    """Returns the folder of Kafka's jars. Skips the test, or fails it, if a tool is missing."""
    for tool in ("java", "mvn"):
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
    return _JARS


@contextmanager
def running_kafka(folder: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Address of a running broker with its data in `folder`. `settings` have Kafka's names."""
    jars = fetch_jars()
    kafka, controller = ReservedPort(), ReservedPort()
    properties = folder / "server.properties"
    text = _PROPERTIES.format(kafka=kafka.address, controller=controller.address, folder=folder)
    text += "".join(f"{name}={value}\n" for name, value in settings.items())
    properties.write_text(text)
    java = ["java", "-cp", f"{jars}/*", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    storage_tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(properties)]
    subprocess.run([*java, *storage_tool], capture_output=True, check=True, timeout=_READY_WITHIN_S)
    heap = ["-Xms512m", "-Xmx512m", "-XX:+UseSerialGC"]
    process = BrokerProcess("kafka", [*java, *heap, "kafka.Kafka", str(properties)])
    try:
        eventually(
            lambda: could_create_topics(kafka.address),
            within_s=_READY_WITHIN_S,
            what=f"Apache Kafka\n{process.tail}",
        )
        yield kafka.address
    finally:
        process.kill()
        kafka.release()
        controller.release()
