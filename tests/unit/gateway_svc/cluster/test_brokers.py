import pytest

from common.ports.metadata import ClusterChange, Endpoint, Gateway
from gateway_svc.cluster.brokers import brokers, controller, leader_assignment
from tests.unit.gateway_svc.handlers.fake_cluster import ORDERS, FakeCluster


def test_this_gateway_is_a_broker_even_if_it_is_not_registered():
    cluster = FakeCluster()
    cluster.view.apply(ClusterChange(2, "the-cluster", gateways_gone=(1, 2)))
    assert [broker.node_id for broker in brokers(cluster.context(9))] == [1]


def test_gateways_behind_one_address_are_one_broker():
    cluster = FakeCluster()
    shared = Gateway(2, (Endpoint("INTERNAL", "gateway-1", 9092),))
    other = Gateway(4, (Endpoint("INTERNAL", "gateway-1", 9093),))
    cluster.view.apply(ClusterChange(2, "the-cluster", gateways=(shared, other)))
    found = brokers(cluster.context(9))
    assert [(one.node_id, one.port) for one in found] == [(1, 9092), (4, 9093)]
    led = leader_assignment(found, cluster.context(9)).topic_leaders(ORDERS.topic_id, 3)
    assert {one.leader for one in led} <= {1, 4}


def test_clients_that_name_a_rack_are_led_by_its_gateways():
    cluster = FakeCluster()
    for rack, node_id in (("rack-a", 1), ("rack-b", 2)):
        context = cluster.context(9, client_id=f"app,rack={rack}")
        led = leader_assignment(brokers(context), context).topic_leaders(ORDERS.topic_id, 3)
        assert {one.leader for one in led} == {node_id}


@pytest.mark.parametrize(("racks", "rack"), [(("rack-a", "rack-a"), "rack-a"), (("b", "c"), None)])
def test_gateways_at_one_address_are_one_broker(racks, rack):
    # librdkafka keeps one node id for each address, and would not find the leaders' others.
    cluster = FakeCluster()
    behind = [
        Gateway(node_id, (Endpoint("INTERNAL", "gateway-1", 9092),), one)
        for node_id, one in zip((0, 4), racks, strict=True)
    ]
    cluster.view.apply(ClusterChange(2, "the-cluster", gateways=behind))
    found = brokers(cluster.context(9))
    assert [(one.node_id, one.host, one.rack) for one in found] == [
        (0, "gateway-1", rack),
        (2, "gateway-2", "rack-b"),
    ]


def test_an_empty_rack_is_none():
    cluster = FakeCluster()
    nowhere = Gateway(2, (Endpoint("INTERNAL", "gateway-2", 9092),), "")
    cluster.view.apply(ClusterChange(2, "the-cluster", gateways=(nowhere,)))
    assert brokers(cluster.context(9))[1].rack is None


def test_the_controller_is_a_broker():
    found = brokers(FakeCluster().context(9))
    assert controller(found) in found
