import pytest

from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.find_coordinator import find_coordinator
from gateway_svc.wire.apis.find_coordinator import FindCoordinatorRequest
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster


def test_nothing_is_created_for_consumers_that_assign_themselves():
    cluster = FakeCluster()
    cluster.metadata.error = BackendUnavailable("gone")
    response = cluster.send(find_coordinator, FindCoordinatorRequest(key="g"), 3)
    assert response.error_code is ErrorCode.NONE
    assert cluster.metadata.created == []


def test_all_members_of_a_group_are_sent_to_one_gateway_and_groups_to_all():
    cluster = FakeCluster()
    keys = [f"group {n}" for n in range(40)]
    several = cluster.send(find_coordinator, FindCoordinatorRequest(coordinator_keys=keys), 4)
    found = {
        coordinator.key: (coordinator.node_id, coordinator.host)
        for coordinator in several.coordinators
    }
    assert set(found.values()) == {(1, "gateway-1"), (2, "gateway-2")}
    for key in keys:
        one = cluster.send(
            find_coordinator, FindCoordinatorRequest(key=key), 1, client_id="c,rack=rack-b"
        )
        assert (one.node_id, one.host) == found[key]


def test_responses_have_an_address_of_the_listener():
    request = FindCoordinatorRequest(key="g")
    response = FakeCluster().send(find_coordinator, request, 2, listener="EXTERNAL")
    assert response.host in {"10.0.0.1", "kafka.example", "kafka3.example"}
    assert response.port == 9094


def test_a_transactional_producer_gets_a_coordinator():
    response = FakeCluster().send(find_coordinator, FindCoordinatorRequest(key="t", key_type=1), 3)
    assert (response.error_code, response.node_id) == (ErrorCode.NONE, 1)


@pytest.mark.parametrize("key_type", [2, 9, -1])
def test_other_kinds_of_coordinators_are_refused(key_type):
    request = FindCoordinatorRequest(coordinator_keys=["k"], key_type=key_type)
    (coordinator,) = FakeCluster().send(find_coordinator, request, 6).coordinators
    assert coordinator.error_code is ErrorCode.INVALID_REQUEST
