from common.ports.classic_groups import ListedGroup, ListedGroups, ListGroups
from common.ports.group_errors import GroupRefusal
from gateway_svc.cluster.group_brokers import GroupBrokers
from gateway_svc.handlers.list_groups import list_groups
from gateway_svc.wire.apis.list_groups import ListGroupsRequest
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.world import World


def test_groups_with_state_and_type():
    world = World()
    own = next(f"g{n}" for n in range(99) if GroupBrokers(world.context(5)).is_own(f"g{n}"))
    found = ListedGroups([ListedGroup(own, "consumer", "Stable", "classic")])
    world.coordinators.answers[ListGroups] = found
    request = ListGroupsRequest(states_filter=["Stable"], types_filter=["classic"])
    (one,) = world.ask(list_groups, request, 5).groups
    assert (one.group_id, one.protocol_type, one.group_state, one.group_type) == (
        own,
        "consumer",
        "Stable",
        "classic",
    )
    assert world.coordinators.asked == [ListGroups(["Stable"], ["classic"])]


def test_a_refusal_is_an_error():
    world = World()
    refused = ListedGroups(refusal=GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)
    world.coordinators.answers[ListGroups] = refused
    response = world.ask(list_groups, ListGroupsRequest(), 3)
    assert response.error_code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS


def test_groups_of_other_brokers_are_theirs_to_list():
    world = World()
    names = [f"g{number}" for number in range(40)]
    listed = [ListedGroup(name, "consumer", "Stable", "classic") for name in names]
    world.coordinators.answers[ListGroups] = ListedGroups(listed, unanswered=["p-9"])
    response = world.ask(list_groups, ListGroupsRequest(), 4)
    brokers = GroupBrokers(world.context(4))
    own = [name for name in names if brokers.coordinator(name).node_id == 1]
    assert [one.group_id for one in response.groups] == own
    assert 0 < len(own) < len(names)
    # As in Apache Kafka, groups of partitions that are offline are missing without a word.
    assert response.error_code is ErrorCode.NONE
