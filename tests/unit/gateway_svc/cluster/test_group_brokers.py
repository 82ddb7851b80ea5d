from common.cluster.group_partitions import group_partition
from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.metadata import ClusterChange, Endpoint, Gateway, Placement, Topic
from gateway_svc.cluster.group_brokers import GroupBrokers
from tests.unit.gateway_svc.handlers.world import World

GROUPS = [f"group {number}" for number in range(60)]


def own(world, **circumstances):
    brokers = GroupBrokers(world.context(5, **circumstances))
    return {group_id for group_id in GROUPS if brokers.is_own(group_id)}


def test_a_group_is_our_own_where_clients_are_sent_to_us_for_it():
    world = World()
    brokers = GroupBrokers(world.context(5))
    for group_id in GROUPS:
        assert brokers.is_own(group_id) == (brokers.of_group(group_id).node_id == 1)
    assert 0 < len(own(world)) < len(GROUPS)
    assert own(world) == own(world, client_id="app,rack=rack-b")


def test_gateways_share_the_groups_out_among_themselves():
    ours, theirs = World(), World(node_id=2)
    theirs.backends.addresses["INTERNAL"] = ours.backends.addresses["INTERNAL"]._replace(
        host="gateway-2"
    )
    assert own(ours) | own(theirs) == set(GROUPS)
    assert not own(ours) & own(theirs)


def test_gateways_behind_one_address_answer_for_all_of_them():
    world = World()
    behind = (Gateway(0, (Endpoint("INTERNAL", "gateway-1", 9092),)),)
    world.view.apply(ClusterChange(2, "c", gateways=behind, gateways_gone=(2,)))
    assert own(world) == set(GROUPS)


def test_the_partitions_that_the_topic_has_decide():
    world = World(offsets_topic_num_partitions=50)
    topic = Topic(bytes(16), OFFSETS_TOPIC, (Placement("p-0", 0),) * 3)
    world.view.apply(ClusterChange(2, "c", topics=(topic,)))
    brokers = GroupBrokers(world.context(5))
    leaders = {(group_partition(one, 3), brokers.of_group(one).node_id) for one in GROUPS}
    assert len(leaders) == 3
