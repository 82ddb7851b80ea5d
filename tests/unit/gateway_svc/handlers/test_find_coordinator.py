import pytest

from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.find_coordinator import find_coordinator
from gateway_svc.wire.apis.find_coordinator import FindCoordinatorRequest
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster


def test_find_coordinator_creates_no_offsets_topic():
    cluster = FakeCluster()
    cluster.metadata.error = BackendUnavailable("unreachable")
    response = cluster.send(find_coordinator, FindCoordinatorRequest(key="g"), 3)
    assert response.error_code is ErrorCode.NONE
    assert cluster.metadata.created == []


def test_find_coordinator_returns_one_gateway_per_group_and_spreads_groups():
    cluster = FakeCluster()
    keys = [f"group {n}" for n in range(40)]
    batched = cluster.send(find_coordinator, FindCoordinatorRequest(coordinator_keys=keys), 4)
    brokers = {
        coordinator.key: (coordinator.node_id, coordinator.host)
        for coordinator in batched.coordinators
    }
    assert set(brokers.values()) == {(1, "gateway-1"), (2, "gateway-2")}
    for key in keys:
        response = cluster.send(
            find_coordinator, FindCoordinatorRequest(key=key), 1, client_id="c,rack=rack-b"
        )
        assert (response.node_id, response.host) == brokers[key]


def test_find_coordinator_returns_an_address_of_the_listener():
    request = FindCoordinatorRequest(key="g")
    response = FakeCluster().send(find_coordinator, request, 2, listener="EXTERNAL")
    assert response.host in {"10.0.0.1", "kafka.example", "kafka3.example"}
    assert response.port == 9094


def test_find_coordinator_accepts_transactional_ids():
    response = FakeCluster().send(find_coordinator, FindCoordinatorRequest(key="t", key_type=1), 3)
    assert (response.error_code, response.node_id) == (ErrorCode.NONE, 1)


@pytest.mark.parametrize("key_type", [2, 9, -1])
def test_find_coordinator_rejects_other_key_types(key_type):
    request = FindCoordinatorRequest(coordinator_keys=["k"], key_type=key_type)
    (coordinator,) = FakeCluster().send(find_coordinator, request, 6).coordinators
    assert coordinator.error_code is ErrorCode.INVALID_REQUEST
