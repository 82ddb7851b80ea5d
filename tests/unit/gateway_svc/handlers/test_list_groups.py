from common.ports.classic_groups import ListedGroup, ListedGroups, ListGroups
from common.ports.group_errors import GroupRefusal
from gateway_svc.cluster.group_brokers import GroupBrokers
from gateway_svc.handlers.list_groups import list_groups
from gateway_svc.wire.apis.list_groups import ListGroupsRequest
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster


def test_list_groups_returns_state_and_type():
    cluster = FakeCluster()
    own = next(f"g{n}" for n in range(99) if GroupBrokers(cluster.context(5)).is_own(f"g{n}"))
    reply = ListedGroups([ListedGroup(own, "consumer", "Stable", "classic")])
    cluster.coordinators.replies[ListGroups] = reply
    request = ListGroupsRequest(states_filter=["Stable"], types_filter=["classic"])
    (group,) = cluster.send(list_groups, request, 5).groups
    assert (group.group_id, group.protocol_type, group.group_state, group.group_type) == (
        own,
        "consumer",
        "Stable",
        "classic",
    )
    assert cluster.coordinators.requests == [ListGroups(["Stable"], ["classic"])]


def test_list_groups_returns_a_refusal_as_an_error():
    cluster = FakeCluster()
    refusal = ListedGroups(refusal=GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)
    cluster.coordinators.replies[ListGroups] = refusal
    response = cluster.send(list_groups, ListGroupsRequest(), 3)
    assert response.error_code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS


def test_list_groups_omits_groups_of_other_brokers():
    cluster = FakeCluster()
    names = [f"g{number}" for number in range(40)]
    listed = [ListedGroup(name, "consumer", "Stable", "classic") for name in names]
    cluster.coordinators.replies[ListGroups] = ListedGroups(listed, unanswered=["p-9"])
    response = cluster.send(list_groups, ListGroupsRequest(), 4)
    brokers = GroupBrokers(cluster.context(4))
    own = [name for name in names if brokers.coordinator(name).node_id == 1]
    assert [group.group_id for group in response.groups] == own
    assert 0 < len(own) < len(names)
    # As in Apache Kafka, groups of partitions that are offline are missing without an error.
    assert response.error_code is ErrorCode.NONE
