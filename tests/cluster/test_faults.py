"""Faults: clients lose nothing while services are killed, stopped, and cut off.

Each test has a load of its own on the listener EXTERNAL, and all have one within the network.
"""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.cluster.composed import GATEWAYS, METADATA, PARTITIONS, SERVICES
from tests.cluster.loads import loaded, prove, without
from tests.cluster.network import cut_off, pair_cut
from tests.support.clients.checked_load import CheckedLoad
from tests.support.waiting import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

#: Keepalives find a peer that is silent after 15 s, leases end after 9 s.
NOTICED_WITHIN_S = 60


@pytest.fixture
def load(cluster, inside, request) -> Iterator[CheckedLoad]:
    with loaded(cluster, request.node.name) as load:
        yield load
    inside.assert_running()


@pytest.mark.parametrize("name", SERVICES)
def test_other_partitions_work_while_a_service_is_dead(name, cluster, load):
    others = without(name, cluster.owners(load.topic))
    cluster.kill(name)
    load.wait_for_acknowledged(20, partitions=others)
    cluster.start(name)
    prove(load)


def test_a_service_that_crashes_is_started_again(cluster, load):
    name = PARTITIONS[0]
    before = cluster.container(name).attrs["State"]["Pid"]
    os.kill(before, signal.SIGKILL)
    eventually(
        lambda: cluster.container(name).attrs["State"]["Pid"] not in (0, before),
        what=f"{name} that was started again",
    )
    prove(load)


def test_a_partition_service_that_hangs_is_waited_for(cluster, load):
    name = PARTITIONS[1]
    container = cluster.container(name)
    container.pause()
    try:
        eventually(
            lambda: not is_alive(cluster, name), within_s=NOTICED_WITHIN_S, what="a lease that ends"
        )
    finally:
        container.unpause()
    eventually(lambda: is_alive(cluster, name), what=f"{name} that is back")
    prove(load)


def test_a_gateway_that_is_cut_off_a_partition_service_catches_up(cluster, load):
    gateway, member = GATEWAYS[0], PARTITIONS[2]
    before = noticed(cluster, gateway)
    with pair_cut(cluster, gateway, member):
        eventually(
            lambda: noticed(cluster, gateway) > before,
            within_s=NOTICED_WITHIN_S,
            what=f"{gateway} that misses {member}",
        )
        others = without(member, cluster.owners(load.topic))
        load.wait_for_acknowledged(20, partitions=others)
    prove(load)


def test_records_flow_while_the_metadata_service_is_cut_off(cluster, load):
    everyone = (*PARTITIONS, *GATEWAYS)
    before = {name: lost_and_back(cluster, name) for name in everyone}
    with cut_off(cluster, METADATA):
        for name in everyone:
            eventually(
                lambda one=name: lost_and_back(cluster, one)[0] > before[one][0],
                within_s=NOTICED_WITHIN_S,
                what=f"{name} that misses {METADATA}",
            )
        load.wait_for_acknowledged(50)
    for name in everyone:
        eventually(
            lambda one=name: lost_and_back(cluster, one)[1] > before[one][1],
            within_s=NOTICED_WITHIN_S,
            what=f"{name} that has found {METADATA} again",
        )
    prove(load)


def test_everyone_may_be_killed_at_once(cluster, load):
    cluster.kill(*SERVICES)
    cluster.start(*SERVICES)
    prove(load)


def test_one_after_the_other_may_be_restarted(cluster, load):
    for name in SERVICES:
        cluster.container(name).restart(timeout=20)
        cluster.wait_until_ready(name)
        load.wait_for_acknowledged(5)
    prove(load)


def is_alive(cluster, name):
    members = {one["name"]: one for one in cluster.ring_status()["members"]}
    return members[name]["is_alive"]


def noticed(cluster, gateway):
    lines = cluster.lines(gateway)
    return sum("stream lost: " in line and " AppendStream: " in line for line in lines)


def lost_and_back(cluster, name):
    """Counts of lost and restored connections to the metadata service."""
    lines = cluster.lines(name)
    lost = sum("metadata service lost" in line for line in lines)
    return lost, sum("metadata service is back" in line for line in lines)
