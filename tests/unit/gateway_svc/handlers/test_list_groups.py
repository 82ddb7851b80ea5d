from common.ports.classic_groups import ListedGroup, ListedGroups, ListGroups
from common.ports.group_refusal import GroupRefusal
from gateway_svc.handlers.list_groups import list_groups
from gateway_svc.wire.apis.list_groups import ListGroupsRequest
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.world import World


def test_groups_with_state_and_type():
    world = World()
    found = ListedGroups([ListedGroup("g", "consumer", "Stable", "classic")])
    world.coordinators.answers["list_groups"] = found
    request = ListGroupsRequest(states_filter=["Stable"], types_filter=["classic"])
    (one,) = world.ask(list_groups, request, 5).groups
    assert (one.group_id, one.protocol_type, one.group_state, one.group_type) == (
        "g",
        "consumer",
        "Stable",
        "classic",
    )
    assert world.coordinators.asked == [ListGroups(["Stable"], ["classic"])]


def test_a_refusal_is_an_error():
    world = World()
    refused = ListedGroups(refusal=GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)
    world.coordinators.answers["list_groups"] = refused
    response = world.ask(list_groups, ListGroupsRequest(), 3)
    assert response.error_code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
