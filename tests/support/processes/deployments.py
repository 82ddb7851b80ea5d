"""The broker as users run it, in one process or in three, on ports of its own.

A `Deployment` starts, kills and restarts the processes, each with a fixed address. `standalone` and
`three_processes` create one.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

from tests.support.clients.raw_client import could_create_topics
from tests.support.processes.ports import ReservedPort
from tests.support.processes.processes import RINGLOG, BrokerProcess
from tests.support.processes.service_commands import dotted, service_command, set_arguments
from tests.support.waiting import eventually

#: Names of the processes, in the order in which they start.
STANDALONE = ("standalone",)
THREE_PROCESSES = ("metadata", "partition", "gateway")


class Layout(NamedTuple):
    """Folder and ports of a deployment, and the settings that all its processes get."""

    folder: Path
    kafka: ReservedPort
    grpc: Mapping[str, ReservedPort]
    settings: Mapping[str, str]


class Deployment:
    """Running processes, by name. Use it in a `with`: it starts and stops them."""

    def __init__(
        self,
        names: tuple[str, ...],
        commands: Callable[[Layout], Mapping[str, list[str]]],
        folder: Path,
        settings: Mapping[str, str],
    ) -> None:
        self.names = names
        self.layout = Layout(folder, ReservedPort(), {n: ReservedPort() for n in names}, settings)
        self.commands = commands(self.layout)
        self.processes: dict[str, BrokerProcess] = {}
        #: Environment variables of all processes that are started from now on.
        self.environment: Mapping[str, str] = {}
        #: Environment variables of single processes, by name.
        self.own_environments: Mapping[str, Mapping[str, str]] = {}

    @property
    def address(self) -> str:
        """Address for Kafka clients: "host:port"."""
        return self.layout.kafka.address

    @property
    def gateway(self) -> BrokerProcess:
        """The process that serves clients."""
        return self.processes[self.names[-1]]

    @property
    def storage(self) -> BrokerProcess:
        """The process that stores the logs."""
        return self.processes["partition" if "partition" in self.names else "standalone"]

    def grpc_address(self, name: str) -> str:
        return self.layout.grpc[name].address

    def __enter__(self) -> Self:
        try:
            for name in self.names:
                self.start(name)
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            if process.is_running:
                process.kill()
        for port in (self.layout.kafka, *self.layout.grpc.values()):
            port.release()

    def start(self, name: str, *, failpoints: str = "") -> None:
        """Starts one process, which waits or is killed at `failpoints` (`name=kill …`)."""
        own = self.own_environments.get(name, {})
        environment = {"FAILPOINTS": failpoints, **self.environment, **own}
        self.processes[name] = BrokerProcess(name, self.commands[name], environment=environment)

    def kill(self, *names: str) -> None:
        """Kills processes, by default all, with SIGKILL."""
        for name in names or self.names:
            self.processes[name].kill()

    def restart(self, *names: str) -> None:
        """Kills processes, starts them, and waits until the broker is ready again."""
        self.kill(*names)
        for name in names or self.names:
            self.start(name)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Waits until a client could create a topic: gateway, metadata and logs are connected."""

        def is_serving() -> bool:
            self.assert_running()
            return could_create_topics(self.address)

        try:
            eventually(is_serving, what="a broker that is ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail}") from error

    def assert_running(self) -> None:
        ended = [process.name for process in self.processes.values() if not process.is_running]
        assert not ended, f"{ended} ended\n{self.tail}"

    @property
    def tail(self) -> str:
        return "\n".join(process.tail for process in self.processes.values())


def standalone(folder: Path, **settings: str) -> Deployment:
    """`ringlog standalone`. `_` in names of settings stands for `.`."""
    return Deployment(STANDALONE, _standalone_command, folder, dotted(settings))


def three_processes(folder: Path, **settings: str) -> Deployment:
    """The three services as processes, connected over gRPC."""
    return Deployment(THREE_PROCESSES, _service_commands, folder, dotted(settings))


#: Deployments by the name that ids of tests contain.
DEPLOYMENTS = {"standalone": standalone, "three_processes": three_processes}


def _standalone_command(layout: Layout) -> dict[str, list[str]]:
    arguments = [
        *("--listen", layout.kafka.address),
        *("--grpc-listen", layout.grpc["standalone"].address),
        *("--data-dir", str(layout.folder / "data")),
    ]
    return {"standalone": [RINGLOG, "standalone", *arguments, *set_arguments(layout.settings)]}


def _service_commands(layout: Layout) -> dict[str, list[str]]:
    metadata_address = layout.grpc["metadata"].address
    own = {
        "metadata": {
            "data.dir": str(layout.folder / "metadata"),
            "grpc.listen": metadata_address,
        },
        "partition": {
            "data.dir": str(layout.folder / "partition"),
            "grpc.listen": layout.grpc["partition"].address,
            "grpc.advertised.address": layout.grpc["partition"].address,
            "metadata.address": metadata_address,
        },
        "gateway": {
            "listeners": f"PLAINTEXT://{layout.kafka.address}",
            "grpc.listen": layout.grpc["gateway"].address,
            "metadata.address": metadata_address,
        },
    }
    return {
        name: service_command(name, settings, layout.settings) for name, settings in own.items()
    }
