"""Members come and go under load, and clients do not notice: the ring by its command line."""

import json

import pytest

from common.ports.moves import RingRefusal, RingState
from tests.support.clients.checked_load import CheckedLoad
from tests.support.clients.raw_client import RawClient
from tests.support.clients.steady_producer import SteadyProducer
from tests.support.moves.partition_move import SETTINGS, assert_copies_are_where_they_belong
from tests.support.moves.ring_command import ring
from tests.support.processes.cluster import Cluster

pytestmark = pytest.mark.slow

PARTITIONS = 12


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path, partitions=2, gateways=2, **SETTINGS) as running:
        yield running


def owned(cluster):
    return {member.name: member.partitions for member in cluster.ring.describe().members}


def test_a_member_is_added_and_another_drained_and_no_client_notices(cluster):
    with RawClient(cluster.kafka_address("gateway-0")) as raw:
        topic = raw.create_topic(partitions=PARTITIONS)
        # Sees every answer itself: a client library would try again in silence.
        plain = [
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
        for one in plain:
            one.start()
        load.wait_for_acknowledged(20)

        new = cluster.add_member()
        cluster.ring.wait_until_settled()
        spread = owned(cluster)
        assert spread[new] == PARTITIONS * 2 // 3
        load.wait_for_acknowledged(20)

        status, said, errors = ring(cluster, "drain", "partition-0", "--wait", "--timeout", "100")
        assert (status, said) == (0, "partition-0 is being drained\n"), errors
        assert errors.splitlines()[-1] == "ringlog ring: partition-0: DRAINED"
        assert owned(cluster)["partition-0"] == 0
        assert ring(cluster, "status", "--require-drained", "partition-0")[0] == 0
        assert ring(cluster, "status", "--require-drained", "partition-1")[0] == 1
        cluster.kill("partition-0")
        load.wait_for_acknowledged(20)
        for one in plain:
            one.stop()
        load.finish().assert_clean(unnoticed=True)
    assert not any(one.refused for one in plain)
    with RawClient(cluster.kafka_address("gateway-0")) as raw:
        for one in plain:
            one.check(raw)
    assert_copies_are_where_they_belong(cluster, "checked")
    assert_copies_are_where_they_belong(cluster, topic, written=len(plain))

    cluster.ring.wait_until(
        lambda ring: (
            not any(member.is_alive for member in ring.members if member.name == "partition-0")
        ),
        what="a member that is not alive",
    )
    assert ring(cluster, "remove", "partition-0")[:2] == (0, "partition-0 is removed\n")
    assert "partition-0" not in owned(cluster)


def test_a_refused_ring_command_changes_nothing(cluster):
    assert ring(cluster, "drain", "nobody")[0] == 1
    assert ring(cluster, "remove", "partition-0")[0] == 1
    assert ring(cluster, "cancel", "4711")[0] == 1
    assert ring(cluster, "drain", "partition-0", "--wait")[0] == 0
    assert cluster.ring.drain("partition-1") is RingRefusal.LAST_MEMBER
    status, said, _ = ring(cluster, "status", "--json")
    states = {one["name"]: one["state"] for one in json.loads(said)["members"]}
    assert status == 0
    assert states == {"partition-0": "DRAINED", "partition-1": "JOINED"}


def test_a_drained_member_stays_drained_when_it_comes_back(cluster):
    assert ring(cluster, "drain", "partition-0", "--wait")[0] == 0
    cluster.restart("partition-0")
    assert cluster.ring.member("partition-0").state is RingState.DRAINED
    with RawClient(cluster.kafka_address("gateway-0")) as raw:
        raw.create_topic(partitions=4)
    assert owned(cluster) == {"partition-0": 0, "partition-1": 4}
    assert ring(cluster, "add", "partition-0", "--wait")[0] == 0
    assert owned(cluster) == {"partition-0": 2, "partition-1": 2}
