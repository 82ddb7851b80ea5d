"""A cluster with three metadata services on an etcd of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from common.rpc.leader import METADATA as METADATA_SERVICE
from tests.support.clients.raw_client import could_create_topics
from tests.support.moves.ring_admin import RingAdmin
from tests.support.processes.cluster import Cluster
from tests.support.processes.etcd import EtcdMembers, EtcdServer
from tests.support.waiting import eventually

CANDIDATES = ("metadata-0", "metadata-1", "metadata-2")
_CHECK_TIMEOUT_S = 1.0


class EtcdCluster(Cluster):
    """A `Cluster` on etcd, which stops last. `etcd`: default is one member."""

    def __init__(
        self, folder: Path, *, etcd: EtcdServer | EtcdMembers | None = None, **settings: str
    ) -> None:
        super().__init__(folder, **settings)  # type: ignore[arg-type]
        self.etcd = etcd or EtcdServer(folder)

    @property
    def names(self) -> list[str]:
        return [*CANDIDATES, *self.members, *self.gateways]

    @property
    def metadata_addresses(self) -> str:
        return ",".join(map(self.grpc_address, CANDIDATES))

    def __enter__(self) -> Self:
        self.etcd.start()
        try:
            return super().__enter__()
        except BaseException:
            self.etcd.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.etcd.__exit__()

    def leaders(self) -> list[str]:
        """Returns the metadata services that respond and report to be the leader."""
        return [name for name in CANDIDATES if _reports_leadership(self.grpc_address(name))]

    def wait_for_leader(self, *, other_than: str = "") -> str:
        def find_leaders() -> list[str]:
            return [name for name in self.leaders() if name != other_than]

        return eventually(find_leaders, what="a leader")[0]

    def restart_exited(self) -> list[str]:
        """Restarts exited processes, as a platform does."""
        ended = [name for name in CANDIDATES if not self.processes[name].is_running]
        for name in ended:
            self.start(name)
        return ended

    def assert_running(self) -> None:
        """Restarts metadata services, which exit if they cannot renew their lease in time."""
        self.restart_exited()
        super().assert_running()

    def wait_until_alive(self, *members: str) -> None:
        def are_alive() -> bool:
            with RingAdmin(self.grpc_address(self.wait_for_leader())) as ring:
                try:
                    described = ring.describe()
                except grpc.RpcError:
                    return False
            return {member.name for member in described.members if member.is_alive}.issuperset(
                members
            )

        self._wait(are_alive, what=f"{members} alive")

    def wait_for_admin(self) -> None:
        """Waits until the first gateway could create topics, and restarts exited processes."""

        def can_create_topics() -> bool:
            self.restart_exited()
            return could_create_topics(self.kafka_address(self.gateways[0]))

        eventually(can_create_topics, within_s=60.0, what="a cluster that creates topics")

    def _own(self, name: str) -> Mapping[str, str]:
        own = dict(super()._own(name))
        if name in CANDIDATES:
            return own | {"metadata.store": "etcd", "etcd.endpoints": self.etcd.address}
        return own | {"metadata.address": self.metadata_addresses}


def _reports_leadership(address: str) -> bool:
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            response = HealthStub(channel).Check(
                HealthCheckRequest(service=METADATA_SERVICE), timeout=_CHECK_TIMEOUT_S
            )
        except grpc.RpcError:
            return False
    return bool(response.status == HealthCheckResponse.SERVING)
