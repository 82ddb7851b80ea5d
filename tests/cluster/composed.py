"""The cluster of compose.yaml, started under a name of its own, and what can be done to it.

Containers are named by their service: "metadata-0", "partition-1", "gateway-0".
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import grpc
from docker.models.containers import Container
from docker.models.networks import Network

from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1.metadata_pb2_grpc import MetadataServiceStub
from ringlog.cli.health import check
from tests.cluster.engine import Engine
from tests.support.processes.cpu import busy_s
from tests.support.processes.ports import ReservedPort
from tests.support.processes.processes import REPOSITORY
from tests.support.tools import need
from tests.support.waiting import eventually

METADATA = "metadata-0"
PARTITIONS = ("partition-0", "partition-1", "partition-2")
GATEWAYS = ("gateway-0", "gateway-1")
SERVICES = (METADATA, *PARTITIONS, *GATEWAYS)
#: In a profile of its own: joins when a test says so.
NEWCOMER = "partition-3"

_GRPC_PORTS = {"metadata": 9392, "partition": 9292, "gateway": 9192}
_FILES = (REPOSITORY / "compose.yaml", REPOSITORY / "tests" / "cluster" / "small_disk.yaml")
_TAIL_LINES = 60
_READY_WITHIN_S = 60.0


class Composed:
    """One project of compose. `up` and `down` it."""

    def __init__(self, engine: Engine, *, image: str, project: str) -> None:
        self.engine, self.project = engine, project
        self._compose = compose_command(engine)
        #: Time of `compose up`, and the CPU seconds of the machine until then.
        self.began, self.busy_when_it_began_s = 0.0, 0.0
        self._ports = {name: ReservedPort() for name in GATEWAYS}
        self._environment = {
            **engine.environment,
            "RINGLOG_IMAGE": image,
            "GATEWAY_0_PORT": str(self._ports["gateway-0"].port),
            "GATEWAY_1_PORT": str(self._ports["gateway-1"].port),
        }

    def up(self, *services: str) -> None:
        """Starts the cluster, or adds services of a profile. Returns before they are ready."""
        if not self.began:
            self.began, self.busy_when_it_began_s = time.monotonic(), busy_s()
        self._run("up", "--detach", *services)

    def down(self) -> None:
        """Ends it, and removes everything that it made."""
        try:
            self._run("--profile", "grow", "down", "--volumes", "--timeout", "1")
        finally:
            for port in self._ports.values():
                port.release()

    def _run(self, *words: str) -> None:
        files = [word for path in _FILES for word in ("--file", str(path))]
        done = subprocess.run(
            [*self._compose, "--project-name", self.project, *files, *words],
            cwd=REPOSITORY,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"compose {words}\n{done.stdout}{done.stderr}"

    @property
    def bootstrap(self) -> str:
        """The gateways, for Kafka clients on this machine: the listener EXTERNAL."""
        return ",".join(self._ports[name].address for name in GATEWAYS)

    @cached_property
    def network(self) -> Network:
        return self.engine.client.networks.get(f"{self.project}_default")

    def container(self, name: str) -> Container:
        """The container of a service, with its present attributes."""
        labels = [
            f"com.docker.compose.project={self.project}",
            f"com.docker.compose.service={name}",
        ]
        (found,) = self.engine.client.containers.list(all=True, filters={"label": labels})
        return found

    def ip(self, name: str) -> str:
        """Address within the network; another one, maybe, after each start."""
        networks = self.container(name).attrs["NetworkSettings"]["Networks"]
        return str(networks[self.network.name]["IPAddress"])

    def grpc_address(self, name: str) -> str:
        return f"{self.ip(name)}:{_GRPC_PORTS[name.partition('-')[0]]}"

    def cpu_s(self) -> float:
        """CPU seconds of all its containers."""
        api = self.engine.client.api
        used = (
            api.stats(self.container(service).id, stream=False, one_shot=True)
            for service in SERVICES
        )
        return sum(one["cpu_stats"]["cpu_usage"]["total_usage"] for one in used) / 1e9

    def names(self) -> list[str]:
        """Names of the services that have a container."""
        label = f"com.docker.compose.project={self.project}"
        found = self.engine.client.containers.list(all=True, filters={"label": label})
        return sorted(one.labels["com.docker.compose.service"] for one in found)

    def kill(self, *names: str) -> None:
        """SIGKILL to the services' processes. They stay down until `start`."""
        for name in names:
            self.container(name).kill("SIGKILL")

    def start(self, *names: str) -> None:
        """Starts what was killed or stopped, and waits until it is ready."""
        for name in names:
            self.container(name).start()
        self.wait_until_ready(*names)

    def mend(self) -> None:
        """Brings everyone back, whatever a test that failed has left, until all know each other."""
        for name in SERVICES:
            container = self.container(name)
            if container.status == "paused":
                container.unpause()
            elif container.status != "running":
                container.start()
        self.wait_until_ready(*SERVICES)
        eventually(self.all_are_alive, within_s=_READY_WITHIN_S, what="members that are alive")

    def all_are_alive(self) -> bool:
        """True if the metadata service sees every partition service that it started with."""
        alive = {one["name"] for one in self.ring_status()["members"] if one["is_alive"]}
        return alive >= set(PARTITIONS)

    def wait_until_ready(self, *names: str) -> None:
        """Waits until every service reports that it is ready."""
        for name in names:
            eventually(
                lambda one=name: self.is_ready(one),  # type: ignore[misc]
                within_s=_READY_WITHIN_S,
                what=f"{name} that is ready",
            )

    def is_ready(self, name: str) -> bool:
        if self.container(name).status != "running":
            return False
        return check(self.grpc_address(name), "readiness", timeout_s=5) == "SERVING"

    def is_healthy(self, name: str) -> bool:
        """By the health check of the engine, which asks from within every few seconds."""
        return bool(self.container(name).attrs["State"]["Health"]["Status"] == "healthy")

    def owners(self, topic: str) -> list[str]:
        """Which partition service has each partition."""
        with grpc.insecure_channel(self.grpc_address(METADATA)) as channel:
            request = pb.DescribeTopicsRequest(names=[topic])
            answer = MetadataServiceStub(channel).DescribeTopics(request, timeout=10)
        (found,) = answer.topics
        return [partition.owner for partition in found.partitions]

    def ring(self, *words: str) -> str:
        """Output of `ringlog ring`, run where the metadata service runs."""
        return self.execute(METADATA, "ringlog", "ring", *words, "--metadata", "localhost:9392")

    def ring_status(self) -> dict[str, Any]:
        return dict(json.loads(self.ring("status", "--json")))

    def execute(self, name: str, *command: str) -> str:
        """Runs a command in a container that is running, and returns its output."""
        status, output = self.container(name).exec_run(list(command))
        text: str = output.decode(errors="replace")
        assert status == 0, f"{command} in {name}: {status}\n{text}"
        return text

    def lines(self, name: str) -> list[str]:
        """Everything it has logged, over all its starts."""
        return self.container(name).logs().decode(errors="replace").splitlines()

    def tail(self) -> str:
        """The last lines of everyone."""
        parts: list[str] = []
        for name in self.names():
            state = self.container(name).attrs["State"]
            parts.append(f"--- last lines of {name} ({state['Status']}, {state['ExitCode']}):")
            parts += self.lines(name)[-_TAIL_LINES:]
        return "\n".join(parts)


def compose_command(engine: Engine) -> Sequence[str]:
    """Compose v2 where the engine's command has it, else 1.29."""
    if shutil.which("docker") and not _fails(["docker", "compose", "version"], engine):
        return ("docker", "compose")
    need(shutil.which("docker-compose"), "docker compose")
    return ("docker-compose",)


def _fails(command: Iterable[str], engine: Engine) -> bool:
    done = subprocess.run(list(command), env=engine.environment, capture_output=True, check=False)
    return done.returncode != 0
