from common.cluster.group_partitions import group_partition
from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.metadata import ClusterChange, Endpoint, Gateway, Placement, Topic
from gateway_svc.cluster.group_brokers import GroupBrokers
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster

GROUPS = [f"group {number}" for number in range(60)]


def own_groups(cluster, **client):
    brokers = GroupBrokers(cluster.context(5, **client))
    return {group_id for group_id in GROUPS if brokers.is_own(group_id)}


def test_is_own_agrees_with_the_coordinator():
    cluster = FakeCluster()
    brokers = GroupBrokers(cluster.context(5))
    for group_id in GROUPS:
        assert brokers.is_own(group_id) == (brokers.coordinator(group_id).node_id == 1)
    assert 0 < len(own_groups(cluster)) < len(GROUPS)
    assert own_groups(cluster) == own_groups(cluster, client_id="app,rack=rack-b")


def test_each_group_is_own_to_one_gateway():
    first, second = FakeCluster(), FakeCluster(node_id=2)
    second.backends.addresses["INTERNAL"] = first.backends.addresses["INTERNAL"]._replace(
        host="gateway-2"
    )
    assert own_groups(first) | own_groups(second) == set(GROUPS)
    assert not own_groups(first) & own_groups(second)


def test_gateways_behind_one_address_share_their_groups():
    cluster = FakeCluster()
    gateways = (Gateway(0, (Endpoint("INTERNAL", "gateway-1", 9092),)),)
    cluster.view.apply(ClusterChange(2, "c", gateways=gateways, removed_gateways=(2,)))
    assert own_groups(cluster) == set(GROUPS)


def test_coordinators_depend_on_the_partition_count_of_the_topic():
    cluster = FakeCluster(offsets_topic_num_partitions=50)
    topic = Topic(bytes(16), OFFSETS_TOPIC, (Placement("p-0", 0),) * 3)
    cluster.view.apply(ClusterChange(2, "c", topics=(topic,)))
    brokers = GroupBrokers(cluster.context(5))
    leaders = {
        (group_partition(group_id, 3), brokers.coordinator(group_id).node_id) for group_id in GROUPS
    }
    assert len(leaders) == 3
