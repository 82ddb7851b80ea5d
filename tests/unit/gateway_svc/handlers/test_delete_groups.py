from common.ports.classic_groups import DeleteGroup, GroupResult
from common.ports.group_errors import GroupRefusal
from gateway_svc.handlers.delete_groups import delete_groups
from gateway_svc.wire.apis.delete_groups import DeleteGroupsRequest
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster


def test_delete_groups_returns_an_error_for_each_group():
    cluster = FakeCluster()
    results = [GroupResult("g"), GroupResult("h", GroupRefusal.NON_EMPTY_GROUP)]
    cluster.coordinators.replies[DeleteGroup] = results
    response = cluster.send(delete_groups, DeleteGroupsRequest(groups_names=["g", "h"]), 2)
    assert [(result.group_id, result.error_code) for result in response.results] == [
        ("g", ErrorCode.NONE),
        ("h", ErrorCode.NON_EMPTY_GROUP),
    ]
    assert cluster.coordinators.requests == [DeleteGroup("g"), DeleteGroup("h")]
