import pytest

from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.init_producer_id import init_producer_id
from gateway_svc.wire.apis.init_producer_id import InitProducerIdRequest
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster


def request(transactional_id: str | None = None, **fields: int) -> InitProducerIdRequest:
    return InitProducerIdRequest(
        transactional_id=transactional_id, transaction_timeout_ms=60_000, **fields
    )


@pytest.mark.parametrize(
    "asked", [request(), request(producer_id=7, producer_epoch=3)], ids=["first", "again"]
)
def test_an_idempotent_producer_gets_a_fresh_id_each_time(asked):
    response = FakeCluster().send(init_producer_id, asked, 4)
    assert (response.error_code, response.producer_id, response.producer_epoch) == (
        ErrorCode.NONE,
        4000,
        0,
    )


@pytest.mark.parametrize(
    ("asked", "error_code"),
    [
        (request("mine"), ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        (request(""), ErrorCode.INVALID_REQUEST),
        (request(producer_id=7), ErrorCode.INVALID_REQUEST),
        (request(producer_epoch=7), ErrorCode.INVALID_REQUEST),
    ],
    ids=["transactional", "empty", "no epoch", "no id"],
)
def test_transactional_producers_get_no_id(asked, error_code):
    response = FakeCluster().send(init_producer_id, asked, 4)
    assert (response.error_code, response.producer_id) == (error_code, -1)


def test_a_producer_asks_again_where_there_are_no_ids_to_be_had():
    cluster = FakeCluster()
    cluster.metadata.error = BackendUnavailable("gone")
    response = cluster.send(init_producer_id, request(), 4)
    assert response.error_code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
