import pytest

from common.ports.metadata import ClusterChange, Endpoint, Gateway
from gateway_svc.cluster.brokers import brokers, controller, leader_assignment
from tests.unit.gateway_svc.handlers.fake_cluster import ORDERS, FakeCluster


def test_this_gateway_is_a_broker_even_if_it_is_not_registered():
    cluster = FakeCluster()
    cluster.view.apply(ClusterChange(2, "the-cluster", removed_gateways=(1, 2)))
    assert [broker.node_id for broker in brokers(cluster.context(9))] == [1]


def test_gateway_behind_the_address_of_this_gateway_is_not_listed():
    cluster = FakeCluster()
    shared = Gateway(2, (Endpoint("INTERNAL", "gateway-1", 9092),))
    other = Gateway(4, (Endpoint("INTERNAL", "gateway-1", 9093),))
    cluster.view.apply(ClusterChange(2, "the-cluster", gateways=(shared, other)))
    listed = brokers(cluster.context(9))
    assert [(broker.node_id, broker.port) for broker in listed] == [(1, 9092), (4, 9093)]
    leaders = leader_assignment(listed, cluster.context(9)).topic_leaders(ORDERS.topic_id, 3)
    assert {partition.leader for partition in leaders} <= {1, 4}


def test_clients_with_a_rack_get_leaders_in_it():
    cluster = FakeCluster()
    for rack, node_id in (("rack-a", 1), ("rack-b", 2)):
        context = cluster.context(9, client_id=f"app,rack={rack}")
        leaders = leader_assignment(brokers(context), context).topic_leaders(ORDERS.topic_id, 3)
        assert {partition.leader for partition in leaders} == {node_id}


@pytest.mark.parametrize(("racks", "rack"), [(("rack-a", "rack-a"), "rack-a"), (("b", "c"), None)])
def test_gateways_at_one_address_are_one_broker(racks, rack):
    # librdkafka keeps one node id for each address, and would not find leaders with another id.
    cluster = FakeCluster()
    gateways = [
        Gateway(node_id, (Endpoint("INTERNAL", "gateway-1", 9092),), gateway_rack)
        for node_id, gateway_rack in zip((0, 4), racks, strict=True)
    ]
    cluster.view.apply(ClusterChange(2, "the-cluster", gateways=gateways))
    listed = brokers(cluster.context(9))
    assert [(broker.node_id, broker.host, broker.rack) for broker in listed] == [
        (0, "gateway-1", rack),
        (2, "gateway-2", "rack-b"),
    ]


def test_broker_has_no_rack_if_it_is_empty():
    cluster = FakeCluster()
    without_rack = Gateway(2, (Endpoint("INTERNAL", "gateway-2", 9092),), "")
    cluster.view.apply(ClusterChange(2, "the-cluster", gateways=(without_rack,)))
    assert brokers(cluster.context(9))[1].rack is None


def test_controller_is_a_broker():
    listed = brokers(FakeCluster().context(9))
    assert controller(listed) in listed
