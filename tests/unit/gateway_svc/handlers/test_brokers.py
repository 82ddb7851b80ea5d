from collections import Counter

from common.ports.metadata import ClusterChange
from common.ports.partitions import LogId
from gateway_svc.handlers.brokers import Leaders, brokers, controller, leader_of
from tests.unit.gateway_svc.handlers.world import ORDERS, World


def test_we_are_a_broker_even_where_the_cluster_has_forgotten_us():
    world = World()
    world.view.apply(ClusterChange(2, "the-cluster", gateways_gone=(1, 2)))
    assert [one.node_id for one in brokers(world.call(9))] == [1]


def test_every_gateway_names_the_same_leaders():
    world = World()
    among = brokers(world.call(9))
    again = brokers(world.call(9))
    for partition in range(20):
        assert leader_of(ORDERS.topic_id, partition, among) == leader_of(
            ORDERS.topic_id, partition, again
        )


def test_partitions_and_topics_are_spread_over_the_brokers():
    among = brokers(World().call(9))
    of_one_topic = Counter(leader_of(ORDERS.topic_id, p, among) for p in range(10))
    assert set(of_one_topic.values()) == {5}
    of_many = Counter(leader_of(bytes([n]) * 16, 0, among) for n in range(200))
    assert len(of_many) == 2
    assert min(of_many.values()) > 60


def test_the_controller_is_a_broker():
    among = brokers(World().call(9))
    assert controller(among) in among


def test_leaders_that_were_named_are_remembered_with_their_addresses():
    world = World()
    leaders = Leaders(world.call(10))
    leader_id, epoch = leaders.of(LogId(ORDERS.topic_id, 0), leader_epoch=-1)
    assert epoch == 7
    assert leaders.of(LogId(ORDERS.topic_id, 0), leader_epoch=11) == (leader_id, 11)
    assert [one.host for one in leaders.named.values()] == [f"gateway-{leader_id}"]


def test_a_log_that_is_gone_has_the_epoch_that_its_owner_told():
    leaders = Leaders(World().call(10))
    _, epoch = leaders.of(LogId(b"x" * 16, 0), leader_epoch=4)
    assert epoch == 4
