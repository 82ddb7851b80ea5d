"""Members that are added and drained with `ringlog ring` under load, without effect on clients."""

import json

import pytest

from common.ports.moves import RingRefusal, RingState
from tests.support.clients.checked_load import CheckedLoad
from tests.support.clients.raw_client import RawClient
from tests.support.clients.steady_producer import SteadyProducer
from tests.support.moves.partition_move import SETTINGS, assert_only_owners_have_copies
from tests.support.moves.ring_command import ring
from tests.support.processes.cluster import Cluster

pytestmark = pytest.mark.slow

PARTITIONS = 12


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path, partitions=2, gateways=2, **SETTINGS) as running:
        yield running


def count_partitions(cluster):
    return {member.name: member.partitions for member in cluster.ring.describe().members}


def test_adding_and_draining_members_does_not_affect_clients(cluster):
    with RawClient(cluster.kafka_address("gateway-0")) as raw:
        topic = raw.create_topic(partitions=PARTITIONS)
        # These see every error; a client library would retry silently.
        producers = [
            SteadyProducer(
                lambda: cluster.kafka_address("gateway-1"),
                topic,
                partition,
                acks=-1,
                identity=raw.init_producer_id(),
            )
            for partition in range(3)
        ]
    with CheckedLoad(cluster.bootstrap, "checked", partitions=PARTITIONS) as load:
        for producer in producers:
            producer.start()
        load.wait_for_acknowledged(20)

        new = cluster.add_member()
        cluster.ring.wait_until_settled()
        counts = count_partitions(cluster)
        assert counts[new] == PARTITIONS * 2 // 3
        load.wait_for_acknowledged(20)

        status, output, errors = ring(cluster, "drain", "partition-0", "--wait", "--timeout", "100")
        assert (status, output) == (0, "partition-0 is being drained\n"), errors
        assert errors.splitlines()[-1] == "ringlog ring: partition-0: DRAINED"
        assert count_partitions(cluster)["partition-0"] == 0
        assert ring(cluster, "status", "--require-drained", "partition-0")[0] == 0
        assert ring(cluster, "status", "--require-drained", "partition-1")[0] == 1
        cluster.kill("partition-0")
        load.wait_for_acknowledged(20)
        for producer in producers:
            producer.stop()
        load.finish().assert_clean(unnoticed=True)
    assert not any(producer.refused for producer in producers)
    with RawClient(cluster.kafka_address("gateway-0")) as raw:
        for producer in producers:
            producer.check(raw)
    assert_only_owners_have_copies(cluster, "checked")
    assert_only_owners_have_copies(cluster, topic, written=len(producers))

    cluster.ring.wait_until(
        lambda ring: (
            not any(member.is_alive for member in ring.members if member.name == "partition-0")
        ),
        what="partition-0 not alive",
    )
    assert ring(cluster, "remove", "partition-0")[:2] == (0, "partition-0 is removed\n")
    assert "partition-0" not in count_partitions(cluster)


def test_a_refused_ring_command_changes_nothing(cluster):
    assert ring(cluster, "drain", "no-such-member")[0] == 1
    assert ring(cluster, "remove", "partition-0")[0] == 1
    assert ring(cluster, "cancel", "4711")[0] == 1
    assert ring(cluster, "drain", "partition-0", "--wait")[0] == 0
    assert cluster.ring.drain("partition-1") is RingRefusal.LAST_MEMBER
    status, output, _ = ring(cluster, "status", "--json")
    states = {member["name"]: member["state"] for member in json.loads(output)["members"]}
    assert status == 0
    assert states == {"partition-0": "DRAINED", "partition-1": "JOINED"}


def test_a_drained_member_stays_drained_after_a_restart(cluster):
    assert ring(cluster, "drain", "partition-0", "--wait")[0] == 0
    cluster.restart("partition-0")
    assert cluster.ring.member("partition-0").state is RingState.DRAINED
    with RawClient(cluster.kafka_address("gateway-0")) as raw:
        raw.create_topic(partitions=4)
    assert count_partitions(cluster) == {"partition-0": 0, "partition-1": 4}
    assert ring(cluster, "add", "partition-0", "--wait")[0] == 0
    assert count_partitions(cluster) == {"partition-0": 2, "partition-1": 2}
