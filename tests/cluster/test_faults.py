"""Faults: clients lose no records while services are killed, stopped and cut off.

Each test runs a load on the listener EXTERNAL; one load in the network runs during all tests.
"""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.cluster.composed import GATEWAYS, METADATA, PARTITIONS, SERVICES
from tests.cluster.loads import assert_no_loss, partitions_of_others, running_load
from tests.cluster.network import cut_off, pair_cut
from tests.support.clients.checked_load import CheckedLoad
from tests.support.waiting import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

#: Keepalives detect a silent peer after 15 s; leases expire after 9 s.
DETECTED_WITHIN_S = 60


@pytest.fixture
def load(cluster, inside, request) -> Iterator[CheckedLoad]:
    with running_load(cluster, request.node.name) as load:
        yield load
    inside.assert_running()


@pytest.mark.parametrize("name", SERVICES)
def test_other_partitions_work_while_a_service_is_dead(name, cluster, load):
    others = partitions_of_others(name, cluster.owners(load.topic))
    cluster.kill(name)
    load.wait_for_acknowledged(20, partitions=others)
    cluster.start(name)
    assert_no_loss(load)


def test_service_is_restarted_after_a_crash(cluster, load):
    name = PARTITIONS[0]
    before = cluster.container(name).attrs["State"]["Pid"]
    os.kill(before, signal.SIGKILL)
    eventually(
        lambda: cluster.container(name).attrs["State"]["Pid"] not in (0, before),
        what=f"a restart of {name}",
    )
    assert_no_loss(load)


def test_no_record_is_lost_while_a_partition_service_hangs(cluster, load):
    name = PARTITIONS[1]
    container = cluster.container(name)
    container.pause()
    try:
        eventually(
            lambda: not is_alive(cluster, name),
            within_s=DETECTED_WITHIN_S,
            what="a lease that expires",
        )
    finally:
        container.unpause()
    eventually(lambda: is_alive(cluster, name), what=f"{name} to be alive again")
    assert_no_loss(load)


def test_gateway_catches_up_after_it_was_cut_off_from_a_partition_service(cluster, load):
    gateway, member = GATEWAYS[0], PARTITIONS[2]
    before = count_lost_streams(cluster, gateway)
    with pair_cut(cluster, gateway, member):
        eventually(
            lambda: count_lost_streams(cluster, gateway) > before,
            within_s=DETECTED_WITHIN_S,
            what=f"{gateway} to lose its stream to {member}",
        )
        others = partitions_of_others(member, cluster.owners(load.topic))
        load.wait_for_acknowledged(20, partitions=others)
    assert_no_loss(load)


def test_records_flow_while_the_metadata_service_is_cut_off(cluster, load):
    clients = (*PARTITIONS, *GATEWAYS)
    before = {name: count_lost_and_restored(cluster, name) for name in clients}
    with cut_off(cluster, METADATA):
        for name in clients:
            eventually(
                lambda service=name: (
                    count_lost_and_restored(cluster, service)[0] > before[service][0]
                ),
                within_s=DETECTED_WITHIN_S,
                what=f"{name} to lose {METADATA}",
            )
        load.wait_for_acknowledged(50)
    for name in clients:
        eventually(
            lambda service=name: count_lost_and_restored(cluster, service)[1] > before[service][1],
            within_s=DETECTED_WITHIN_S,
            what=f"{name} to reconnect to {METADATA}",
        )
    assert_no_loss(load)


def test_no_record_is_lost_when_all_services_are_killed_at_once(cluster, load):
    cluster.kill(*SERVICES)
    cluster.start(*SERVICES)
    assert_no_loss(load)


def test_no_record_is_lost_in_a_rolling_restart(cluster, load):
    for name in SERVICES:
        cluster.container(name).restart(timeout=20)
        cluster.wait_until_ready(name)
        load.wait_for_acknowledged(5)
    assert_no_loss(load)


def is_alive(cluster, name):
    members = {member["name"]: member for member in cluster.ring_status()["members"]}
    return members[name]["is_alive"]


def count_lost_streams(cluster, gateway):
    lines = cluster.log_lines(gateway)
    return sum("stream lost: " in line and " AppendStream: " in line for line in lines)


def count_lost_and_restored(cluster, name):
    """Returns the numbers of lost and restored connections to the metadata service."""
    lines = cluster.log_lines(name)
    lost = sum("metadata service lost" in line for line in lines)
    return lost, sum("metadata service is back" in line for line in lines)
