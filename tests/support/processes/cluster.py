"""A cluster of real processes, each with a port and a folder of its own.

Names are those of the pods: metadata-0, partition-0 …, gateway-0 …. Every process keeps its address
and its data through `kill`, `start` and `restart`; members may be added while the cluster runs.
"""

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Self

from tests.support.clients.raw_client import could_create_topics
from tests.support.moves.ring_admin import RingAdmin
from tests.support.processes.failpoints import Failpoints
from tests.support.processes.ports import ReservedPort
from tests.support.processes.processes import BrokerProcess
from tests.support.processes.service_commands import dotted, service_command
from tests.support.waiting import eventually

METADATA = "metadata-0"


class Cluster:
    """Running processes by name. Use it in a `with`: it starts and stops them."""

    def __init__(
        self, folder: Path, *, partitions: int = 2, gateways: int = 1, **settings: str
    ) -> None:
        """Settings, with _ for . in their names, go to every service that declares them."""
        self.folder = folder
        self.failpoints = Failpoints(folder / "failpoints")
        self._settings = dotted(settings)
        self._ports: defaultdict[str, ReservedPort] = defaultdict(ReservedPort)
        self._kafka_ports: defaultdict[str, ReservedPort] = defaultdict(ReservedPort)
        self.processes: dict[str, BrokerProcess] = {}
        self.members = [f"partition-{n}" for n in range(partitions)]
        self.gateways = [f"gateway-{n}" for n in range(gateways)]

    @property
    def names(self) -> list[str]:
        """Names in the order in which the processes start."""
        return [METADATA, *self.members, *self.gateways]

    @property
    def bootstrap(self) -> str:
        """Addresses of all gateways, for Kafka clients."""
        return ",".join(map(self.kafka_address, self.gateways))

    def kafka_address(self, gateway: str) -> str:
        return self._kafka_ports[gateway].address

    def grpc_address(self, name: str) -> str:
        return self._ports[name].address

    def data_dir(self, name: str) -> Path:
        return self.folder / name

    @cached_property
    def ring(self) -> RingAdmin:
        return RingAdmin(self.grpc_address(METADATA))

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
        self.ring.__exit__()
        for port in (*self._ports.values(), *self._kafka_ports.values()):
            port.release()

    def start(self, name: str, *, failpoints: str = "", **settings: str) -> BrokerProcess:
        """Starts one process, with settings of its own and more failpoints (`name=kill …`)."""
        own = dotted(settings)
        shared = {name: value for name, value in self._settings.items() if name not in own}
        command = service_command(name.partition("-")[0], {**self._own(name), **own}, shared)
        environment = {"FAILPOINTS": f"{self.failpoints.held_by_files} {failpoints}"}
        self.processes[name] = BrokerProcess(name, command, environment=environment)
        return self.processes[name]

    def add_member(self) -> str:
        """Starts one more partition service, and returns its name once it is known."""
        name = f"partition-{len(self.members)}"
        self.members.append(name)
        self.start(name)
        self.wait_until_alive(name)
        return name

    def kill(self, *names: str) -> None:
        """Kills processes, by default all, with SIGKILL."""
        for name in names or self.names:
            self.processes[name].kill()

    def restart(self, *names: str) -> None:
        """Kills processes, starts them, and waits until the cluster is ready again."""
        self.kill(*names)
        for name in names or self.names:
            self.start(name)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Waits until every member is alive and every gateway could create a topic."""
        self.wait_until_alive(*self.members)
        for gateway in self.gateways:
            self._wait(
                lambda gateway=gateway: could_create_topics(self.kafka_address(gateway)),
                what=f"{gateway} to be ready",
            )

    def wait_until_alive(self, *members: str) -> None:
        """Waits until the metadata service counts these members as alive."""
        # A channel that cannot connect backs off: connect only once the service listens.
        self.processes[METADATA].wait_for_line("gRPC on")

        def are_alive() -> bool:
            alive = {member.name for member in self.ring.describe().members if member.is_alive}
            return alive.issuperset(members)

        self._wait(are_alive, what=f"{members} alive")

    def assert_running(self) -> None:
        ended = [process.name for process in self.processes.values() if not process.is_running]
        assert not ended, f"{ended} ended\n{self.tail}"

    @property
    def tail(self) -> str:
        return "\n".join(process.tail for process in self.processes.values())

    def _wait(self, condition: object, *, what: str) -> None:
        def is_met() -> bool:
            self.assert_running()
            return bool(condition())  # type: ignore[operator]

        try:
            eventually(is_met, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail}") from error

    def _own(self, name: str) -> Mapping[str, str]:
        """Returns the settings that each process has for itself."""
        service, _, ordinal = name.partition("-")
        address = self.grpc_address(name)
        own = {"grpc.listen": address}
        if service != "gateway":
            own["data.dir"] = str(self.data_dir(name))
        if service != "metadata":
            own["metadata.address"] = self.grpc_address(METADATA)
        if service == "partition":
            own |= {"member.name": name, "grpc.advertised.address": address}
        if service == "gateway":
            own |= {"node.id": ordinal, "listeners": f"PLAINTEXT://{self.kafka_address(name)}"}
        return own
