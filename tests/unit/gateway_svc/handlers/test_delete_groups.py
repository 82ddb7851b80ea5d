from common.ports.classic_groups import DeleteGroup, GroupResult
from common.ports.group_errors import GroupRefusal
from gateway_svc.handlers.delete_groups import delete_groups
from gateway_svc.wire.apis.delete_groups import DeleteGroupsRequest
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.world import World


def test_each_group_has_an_answer_of_its_own():
    world = World()
    results = [GroupResult("g"), GroupResult("h", GroupRefusal.NON_EMPTY_GROUP)]
    world.coordinators.answers[DeleteGroup] = results
    response = world.ask(delete_groups, DeleteGroupsRequest(groups_names=["g", "h"]), 2)
    assert [(one.group_id, one.error_code) for one in response.results] == [
        ("g", ErrorCode.NONE),
        ("h", ErrorCode.NON_EMPTY_GROUP),
    ]
    assert world.coordinators.asked == [DeleteGroup("g"), DeleteGroup("h")]
