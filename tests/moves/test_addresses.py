"""Services that restart with another IP under the same name, as pods do.

A name server resolves their names to one loopback address, and to another after the restart. By
default gRPC resolves a name again after 30 s at the earliest.
"""

from collections.abc import Mapping

import pytest

from tests.support.clients.raw_client import RawClient
from tests.support.processes.cluster import METADATA, Cluster
from tests.support.processes.name_server import NameServer
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

#: Much longer than reconnecting takes, and much shorter than 30 s.
WITHIN_S = 15.0


class NamedCluster(Cluster):
    """A cluster whose members and metadata service listen on `host` and are addressed by name."""

    def __init__(self, folder, names: NameServer) -> None:
        super().__init__(folder, partitions=1)
        self._names = names

    def grpc_address(self, name: str) -> str:
        return f"{self._names.host}:{self._ports[name].port}"

    def _own(self, name: str) -> Mapping[str, str]:
        own = {**super()._own(name)}
        if "metadata.address" in own:
            own["metadata.address"] = self._target(METADATA)
        if "grpc.advertised.address" in own:
            own["grpc.advertised.address"] = self._target(name)
        return own

    def _target(self, name: str) -> str:
        return self._names.target(name, self._ports[name].port)


@pytest.fixture
def names():
    with NameServer("127.0.0.2") as server:
        yield server


@pytest.fixture
def cluster(tmp_path, names):
    with NamedCluster(tmp_path, names) as running:
        yield running


def test_services_are_reached_within_seconds_after_their_names_resolve_to_another_address(
    cluster, names
):
    with RawClient(cluster.bootstrap) as raw:
        topic = raw.create_topic()
        assert raw.produce(topic, record_batch(numbered(1))) == (0, 0)
        member = cluster.members[0]
        cluster.kill(METADATA, member)
        names.host = "127.0.0.3"
        for name in (METADATA, member):
            cluster.start(name)
        for name in (METADATA, member):
            cluster.processes[name].wait_for_line("gRPC on 127.0.0.3")
        eventually(
            lambda: raw.produce(topic, record_batch(numbered(1))).error_code == 0,
            within_s=WITHIN_S,
            what="an append at the member's new address",
        )
        assert raw.fetch(topic, 0).offsets == [0, 1]
        assert raw.create_topic()
