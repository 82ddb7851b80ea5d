"""The cluster of compose.yaml as a compose project of its own: start, stop, kill, inspect.

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
#: In a compose profile of its own: joins when a test starts it.
NEWCOMER = "partition-3"

_GRPC_PORTS = {"metadata": 9392, "partition": 9292, "gateway": 9192}
_FILES = (REPOSITORY / "compose.yaml", REPOSITORY / "tests" / "cluster" / "small_disk.yaml")
_TAIL_LINES = 60
_READY_WITHIN_S = 60.0


class Composed:
    """One compose project, which `up` starts and `down` removes."""

    def __init__(self, engine: Engine, *, image: str, project: str) -> None:
        self.engine, self.project = engine, project
        self._compose = compose_command(engine)
        #: Time of `compose up`, and the CPU seconds of the machine until then.
        self.started_at, self.busy_before_s = 0.0, 0.0
        self._ports = {name: ReservedPort() for name in GATEWAYS}
        self._environment = {
            **engine.environment,
            "RINGLOG_IMAGE": image,
            "GATEWAY_0_PORT": str(self._ports["gateway-0"].port),
            "GATEWAY_1_PORT": str(self._ports["gateway-1"].port),
        }

    def up(self, *services: str) -> None:
        """Starts the cluster, or adds services of a profile. Returns before they are ready."""
        if not self.started_at:
            self.started_at, self.busy_before_s = time.monotonic(), busy_s()
        self._run("up", "--detach", *services)

    def down(self) -> None:
        """Stops the cluster, and removes its containers, volumes and network."""
        try:
            self._run("--profile", "grow", "down", "--volumes", "--timeout", "1")
        finally:
            for port in self._ports.values():
                port.release()

    def _run(self, *arguments: str) -> None:
        files = [word for path in _FILES for word in ("--file", str(path))]
        completed = subprocess.run(
            [*self._compose, "--project-name", self.project, *files, *arguments],
            cwd=REPOSITORY,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        output = completed.stdout + completed.stderr
        assert completed.returncode == 0, f"compose {arguments}\n{output}"

    @property
    def bootstrap(self) -> str:
        """Bootstrap servers for Kafka clients on this machine: the listener EXTERNAL."""
        return ",".join(self._ports[name].address for name in GATEWAYS)

    @cached_property
    def network(self) -> Network:
        return self.engine.client.networks.get(f"{self.project}_default")

    def container(self, name: str) -> Container:
        """Returns the container of a service, with its current attributes."""
        labels = [
            f"com.docker.compose.project={self.project}",
            f"com.docker.compose.service={name}",
        ]
        (container,) = self.engine.client.containers.list(all=True, filters={"label": labels})
        return container

    def ip(self, name: str) -> str:
        """Returns the address in the network; it may change at each start."""
        networks = self.container(name).attrs["NetworkSettings"]["Networks"]
        return str(networks[self.network.name]["IPAddress"])

    def grpc_address(self, name: str) -> str:
        return f"{self.ip(name)}:{_GRPC_PORTS[name.partition('-')[0]]}"

    def cpu_s(self) -> float:
        """Returns the CPU seconds of all containers."""
        api = self.engine.client.api
        stats = (
            api.stats(self.container(service).id, stream=False, one_shot=True)
            for service in SERVICES
        )
        return sum(usage["cpu_stats"]["cpu_usage"]["total_usage"] for usage in stats) / 1e9

    def service_names(self) -> list[str]:
        """Returns the names of the services that have a container."""
        label = f"com.docker.compose.project={self.project}"
        containers = self.engine.client.containers.list(all=True, filters={"label": label})
        return sorted(item.labels["com.docker.compose.service"] for item in containers)

    def kill(self, *names: str) -> None:
        """Kills the processes of services with SIGKILL. They stay down until `start`."""
        for name in names:
            self.container(name).kill("SIGKILL")

    def start(self, *names: str) -> None:
        """Starts services that were killed or stopped, and waits until they are ready."""
        for name in names:
            self.container(name).start()
        self.wait_until_ready(*names)

    def restore(self) -> None:
        """Starts services that a failed test left stopped or paused; waits until all are alive."""
        for name in SERVICES:
            container = self.container(name)
            if container.status == "paused":
                container.unpause()
            elif container.status != "running":
                container.start()
        self.wait_until_ready(*SERVICES)
        eventually(self.are_all_alive, within_s=_READY_WITHIN_S, what="members that are alive")

    def are_all_alive(self) -> bool:
        """True if the metadata service considers every partition service alive."""
        alive = {member["name"] for member in self.ring_status()["members"] if member["is_alive"]}
        return alive >= set(PARTITIONS)

    def wait_until_ready(self, *names: str) -> None:
        """Waits until every service reports that it is ready."""
        for name in names:
            eventually(
                lambda service=name: self.is_ready(service),  # type: ignore[misc]
                within_s=_READY_WITHIN_S,
                what=f"readiness of {name}",
            )

    def is_ready(self, name: str) -> bool:
        if self.container(name).status != "running":
            return False
        return check(self.grpc_address(name), "readiness", timeout_s=5) == "SERVING"

    def is_healthy(self, name: str) -> bool:
        """True if the health check passes that the engine runs in the container periodically."""
        return bool(self.container(name).attrs["State"]["Health"]["Status"] == "healthy")

    def owners(self, topic: str) -> list[str]:
        """Returns the owner of each partition."""
        with grpc.insecure_channel(self.grpc_address(METADATA)) as channel:
            request = pb.DescribeTopicsRequest(names=[topic])
            response = MetadataServiceStub(channel).DescribeTopics(request, timeout=10)
        (description,) = response.topics
        return [partition.owner for partition in description.partitions]

    def ring(self, *arguments: str) -> str:
        """Runs `ringlog ring` in the container of the metadata service, and returns its output."""
        return self.execute(METADATA, "ringlog", "ring", *arguments, "--metadata", "localhost:9392")

    def ring_status(self) -> dict[str, Any]:
        return dict(json.loads(self.ring("status", "--json")))

    def execute(self, name: str, *command: str) -> str:
        """Runs a command in a container that is running, and returns its output."""
        status, output = self.container(name).exec_run(list(command))
        text: str = output.decode(errors="replace")
        assert status == 0, f"{command} in {name}: {status}\n{text}"
        return text

    def log_lines(self, name: str) -> list[str]:
        """Returns all lines that a service has logged, over all its starts."""
        return self.container(name).logs().decode(errors="replace").splitlines()

    def tail(self) -> str:
        """Returns the last log lines of all services."""
        parts: list[str] = []
        for name in self.service_names():
            state = self.container(name).attrs["State"]
            parts.append(f"--- last lines of {name} ({state['Status']}, {state['ExitCode']}):")
            parts += self.log_lines(name)[-_TAIL_LINES:]
        return "\n".join(parts)


def compose_command(engine: Engine) -> Sequence[str]:
    """Returns the command of Compose v2 if the docker CLI has it, else of 1.29."""
    if shutil.which("docker") and not _fails(["docker", "compose", "version"], engine):
        return ("docker", "compose")
    need(shutil.which("docker-compose"), "docker compose")
    return ("docker-compose",)


def _fails(command: Iterable[str], engine: Engine) -> bool:
    completed = subprocess.run(
        list(command), env=engine.environment, capture_output=True, check=False
    )
    return completed.returncode != 0
