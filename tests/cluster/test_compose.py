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

#: What compose.yaml promises. It takes 10 to 15 s where two cores have nothing else to do.
READY_WITHIN_S = 30
#: Where they have.
PATIENCE_S = 300
#: Without the base image: Python packages and ringlog.
IMAGE_BYTES_MAX = 80 << 20
DATA, OWNED = "/var/lib/ringlog", "uid=10001,gid=10001"


def test_the_cluster_is_healthy_soon_after_it_was_started(started):
    def all_are_healthy():
        return all(started.is_healthy(name) for name in SERVICES)

    eventually(all_are_healthy, within_s=PATIENCE_S, what="a cluster that is healthy")
    took_s = time.monotonic() - started.began
    of_others_s = busy_s() - started.busy_when_it_began_s - started.cpu_s()
    # Without what the processors did for others meanwhile, other tests among them.
    assert took_s - of_others_s / os.cpu_count() < READY_WITHIN_S


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights_and_nothing_to_write_to_but_its_data(name, cluster):
    container = cluster.container(name)
    assert container.attrs["HostConfig"]["ReadonlyRootfs"]
    assert container.attrs["HostConfig"]["CapDrop"] == ["ALL"]
    status = dict(
        line.split(":\t", 1) for line in cluster.execute(name, "cat", "/proc/1/status").splitlines()
    )
    assert status["Uid"].split() == ["10001"] * 4
    assert int(status["CapEff"], 16) == 0
    writable = {one["Destination"] for one in container.attrs["Mounts"]}
    assert writable == (set() if name in GATEWAYS else {DATA})


def test_every_gateway_tells_clients_of_this_machine_addresses_that_they_reach(cluster):
    create_topic(cluster.bootstrap, "addresses", partitions=2)
    for address in cluster.bootstrap.split(","):
        with RawClient(address) as client:
            brokers = client.metadata().brokers
        addresses = {f"{one.host}:{one.port}" for one in brokers}
        assert addresses == set(cluster.bootstrap.split(","))


def test_the_image_alone_is_a_broker(engine, image):
    container = engine.client.containers.run(
        image, detach=True, network_mode="none", read_only=True, tmpfs={"/tmp": "", DATA: OWNED}
    )
    try:

        def is_healthy():
            container.reload()
            assert container.status == "running", container.logs().decode()
            return container.attrs["State"]["Health"]["Status"] == "healthy"

        eventually(is_healthy, within_s=60, what="a broker that is healthy")
    finally:
        container.remove(force=True)


def test_the_image_is_small(engine, image, base):
    images = engine.client.images
    assert images.get(image).attrs["Size"] - images.get(base).attrs["Size"] < IMAGE_BYTES_MAX
