"""The broker as users run it, in one process or in three, on ports of its own.

`standalone` and `three_processes` describe how; a `Deployment` starts, kills and restarts the
processes, each on the address it had before.
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


class Place(NamedTuple):
    """One deployment's folder, ports, and the settings that all its processes get."""

    folder: Path
    kafka: ReservedPort
    grpc: Mapping[str, ReservedPort]
    settings: Mapping[str, str]


class Deployment:
    """Running processes, by name. Use it in a `with`: it starts and ends them."""

    def __init__(
        self,
        names: tuple[str, ...],
        commands: Callable[[Place], Mapping[str, list[str]]],
        folder: Path,
        settings: Mapping[str, str],
    ) -> None:
        self.names = names
        self.place = Place(folder, ReservedPort(), {n: ReservedPort() for n in names}, settings)
        self.commands = commands(self.place)
        self.processes: dict[str, BrokerProcess] = {}
        #: Variables that every process started from now on gets.
        self.environment: Mapping[str, str] = {}
        #: The same for one process, by its name.
        self.own_environments: Mapping[str, Mapping[str, str]] = {}

    @property
    def address(self) -> str:
        """Address for Kafka clients: "host:port"."""
        return self.place.kafka.address

    @property
    def gateway(self) -> BrokerProcess:
        """The process that clients talk to."""
        return self.processes[self.names[-1]]

    @property
    def storage(self) -> BrokerProcess:
        """The process that keeps the logs."""
        return self.processes["partition" if "partition" in self.names else "standalone"]

    def grpc_address(self, name: str) -> str:
        return self.place.grpc[name].address

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
        for port in (self.place.kafka, *self.place.grpc.values()):
            port.release()

    def start(self, name: str, *, failpoints: str = "") -> None:
        """Starts one process, which stays or dies at `failpoints` (`name=kill …`)."""
        own = self.own_environments.get(name, {})
        environment = {"FAILPOINTS": failpoints, **self.environment, **own}
        self.processes[name] = BrokerProcess(name, self.commands[name], environment=environment)

    def kill(self, *names: str) -> None:
        """SIGKILL; all of them where none is named."""
        for name in names or self.names:
            self.processes[name].kill()

    def restart(self, *names: str) -> None:
        """SIGKILL, start, and wait until clients are served again."""
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
            eventually(is_serving, what="a broker that serves")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail}") from error

    def assert_running(self) -> None:
        ended = [one.name for one in self.processes.values() if not one.is_running]
        assert not ended, f"{ended} ended\n{self.tail}"

    @property
    def tail(self) -> str:
        return "\n".join(process.tail for process in self.processes.values())


def standalone(folder: Path, **settings: str) -> Deployment:
    """`ringlog standalone`. Settings are given with _ for . in their names."""
    return Deployment(STANDALONE, _standalone_command, folder, dotted(settings))


def three_processes(folder: Path, **settings: str) -> Deployment:
    """The three services apart, connected over gRPC."""
    return Deployment(THREE_PROCESSES, _service_commands, folder, dotted(settings))


#: Both ways to run the broker, by the name that test ids show.
DEPLOYMENTS = {"standalone": standalone, "three_processes": three_processes}


def _standalone_command(place: Place) -> dict[str, list[str]]:
    arguments = [
        *("--listen", place.kafka.address),
        *("--grpc-listen", place.grpc["standalone"].address),
        *("--data-dir", str(place.folder / "data")),
    ]
    return {"standalone": [RINGLOG, "standalone", *arguments, *set_arguments(place.settings)]}


def _service_commands(place: Place) -> dict[str, list[str]]:
    metadata_address = place.grpc["metadata"].address
    own = {
        "metadata": {
            "data.dir": str(place.folder / "metadata"),
            "grpc.listen": metadata_address,
        },
        "partition": {
            "data.dir": str(place.folder / "partition"),
            "grpc.listen": place.grpc["partition"].address,
            "grpc.advertised.address": place.grpc["partition"].address,
            "metadata.address": metadata_address,
        },
        "gateway": {
            "listeners": f"PLAINTEXT://{place.kafka.address}",
            "grpc.listen": place.grpc["gateway"].address,
            "metadata.address": metadata_address,
        },
    }
    return {name: service_command(name, settings, place.settings) for name, settings in own.items()}
