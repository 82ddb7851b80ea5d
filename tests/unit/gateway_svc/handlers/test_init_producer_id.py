import pytest

from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.init_producer_id import init_producer_id
from gateway_svc.wire.apis.init_producer_id import InitProducerIdRequest
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster


def init_request(transactional_id: str | None = None, **fields: int) -> InitProducerIdRequest:
    return InitProducerIdRequest(
        transactional_id=transactional_id, transaction_timeout_ms=60_000, **fields
    )


@pytest.mark.parametrize(
    "producer_request",
    [init_request(), init_request(producer_id=7, producer_epoch=3)],
    ids=["new producer", "known producer"],
)
def test_init_producer_id_allocates_a_new_id_for_each_request(producer_request):
    response = FakeCluster().send(init_producer_id, producer_request, 4)
    assert (response.error_code, response.producer_id, response.producer_epoch) == (
        ErrorCode.NONE,
        4000,
        0,
    )


@pytest.mark.parametrize(
    ("producer_request", "error_code"),
    [
        (init_request("mine"), ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        (init_request(""), ErrorCode.INVALID_REQUEST),
        (init_request(producer_id=7), ErrorCode.INVALID_REQUEST),
        (init_request(producer_epoch=7), ErrorCode.INVALID_REQUEST),
    ],
    ids=["transactional", "empty", "no epoch", "no id"],
)
def test_init_producer_id_rejects_transactional_and_incomplete_requests(
    producer_request, error_code
):
    response = FakeCluster().send(init_producer_id, producer_request, 4)
    assert (response.error_code, response.producer_id) == (error_code, -1)


def test_init_producer_id_is_retriable_without_the_metadata_service():
    cluster = FakeCluster()
    cluster.metadata.error = BackendUnavailable("unreachable")
    response = cluster.send(init_producer_id, init_request(), 4)
    assert response.error_code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
