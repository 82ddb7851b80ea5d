"""The image and compose.yaml as users start them."""

import os
import time

import pytest

from tests.cluster.composed import GATEWAYS, SERVICES
from tests.support.clients.checked_load import create_topic
from tests.support.clients.raw_client import RawClient
from tests.support.processes.cpu import busy_s
from tests.support.waiting import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

#: Promised in compose.yaml. It takes 10 to 15 s on two idle cores.
READY_WITHIN_S = 30
#: On a busy machine.
HEALTHY_WITHIN_S = 300
#: Size without the base image: Python packages and ringlog.
IMAGE_BYTES_MAX = 80 << 20
DATA, OWNED = "/var/lib/ringlog", "uid=10001,gid=10001"


def test_cluster_is_healthy_soon_after_start(started):
    def are_all_healthy():
        return all(started.is_healthy(name) for name in SERVICES)

    eventually(are_all_healthy, within_s=HEALTHY_WITHIN_S, what="a healthy cluster")
    elapsed_s = time.monotonic() - started.started_at
    others_cpu_s = busy_s() - started.busy_before_s - started.cpu_s()
    # Subtract the CPU time of other processes, such as other tests.
    assert elapsed_s - others_cpu_s / os.cpu_count() < READY_WITHIN_S


@pytest.mark.parametrize("name", SERVICES)
def test_service_has_no_capabilities_and_writes_only_to_its_data(name, cluster):
    container = cluster.container(name)
    assert container.attrs["HostConfig"]["ReadonlyRootfs"]
    assert container.attrs["HostConfig"]["CapDrop"] == ["ALL"]
    status = dict(
        line.split(":\t", 1) for line in cluster.execute(name, "cat", "/proc/1/status").splitlines()
    )
    assert status["Uid"].split() == ["10001"] * 4
    assert int(status["CapEff"], 16) == 0
    writable = {mount["Destination"] for mount in container.attrs["Mounts"]}
    assert writable == (set() if name in GATEWAYS else {DATA})


def test_every_gateway_advertises_addresses_that_clients_on_this_machine_reach(cluster):
    create_topic(cluster.bootstrap, "addresses", partitions=2)
    for address in cluster.bootstrap.split(","):
        with RawClient(address) as client:
            brokers = client.metadata().brokers
        addresses = {f"{broker.host}:{broker.port}" for broker in brokers}
        assert addresses == set(cluster.bootstrap.split(","))


def test_image_without_arguments_runs_a_broker(engine, image):
    container = engine.client.containers.run(
        image, detach=True, network_mode="none", read_only=True, tmpfs={"/tmp": "", DATA: OWNED}
    )
    try:

        def is_healthy():
            container.reload()
            assert container.status == "running", container.logs().decode()
            return container.attrs["State"]["Health"]["Status"] == "healthy"

        eventually(is_healthy, within_s=60, what="a healthy broker")
    finally:
        container.remove(force=True)


def test_image_is_small(engine, image, base):
    images = engine.client.images
    assert images.get(image).attrs["Size"] - images.get(base).attrs["Size"] < IMAGE_BYTES_MAX
