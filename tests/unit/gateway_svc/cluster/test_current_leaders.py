import pytest

from common.ports.partitions import LogId
from gateway_svc.cluster.current_leaders import CurrentLeaders
from tests.unit.gateway_svc.handlers.fake_cluster import ORDERS, FakeCluster


@pytest.mark.parametrize(("rack", "node_id"), [("rack-a", 1), ("rack-b", 2)])
def test_current_leaders_are_in_the_rack_of_the_client(rack, node_id):
    context = FakeCluster().context(9, client_id=f"app,rack={rack}")
    assert CurrentLeaders(context).leader_of(LogId(ORDERS.topic_id, 0), 7)[0] == node_id


def test_current_leaders_list_the_addresses_of_leaders_that_were_named():
    cluster = FakeCluster()
    leaders = CurrentLeaders(cluster.context(10))
    leader_id, epoch = leaders.leader_of(LogId(ORDERS.topic_id, 0), leader_epoch=-1)
    assert epoch == 7
    assert leaders.leader_of(LogId(ORDERS.topic_id, 0), leader_epoch=11) == (leader_id, 11)
    assert [endpoint.host for endpoint in leaders.endpoints.values()] == [f"gateway-{leader_id}"]


def test_leader_epoch_of_an_unknown_log_is_its_owners():
    leaders = CurrentLeaders(FakeCluster().context(10))
    _, epoch = leaders.leader_of(LogId(b"x" * 16, 0), leader_epoch=4)
    assert epoch == 4
