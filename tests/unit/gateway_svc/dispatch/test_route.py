from gateway_svc.dispatch.route import (
    RequestMode,
    deferred_route,
    exclusive_route,
    overlapping_route,
)
from gateway_svc.wire.apis.init_producer_id import INIT_PRODUCER_ID, InitProducerIdResponse


async def respond_in_task(request: object, context: object) -> InitProducerIdResponse:
    return InitProducerIdResponse()


def respond_at_once(request: object, context: object) -> InitProducerIdResponse:
    return InitProducerIdResponse()


def test_routes_have_their_mode_and_expect_responses_by_default():
    exclusive = exclusive_route(INIT_PRODUCER_ID, respond_in_task)
    assert (exclusive.mode, exclusive.expects_response) == (RequestMode.EXCLUSIVE, None)
    deferred = deferred_route(INIT_PRODUCER_ID, respond_at_once)
    assert (deferred.mode, deferred.expects_response) == (RequestMode.DEFERRED, None)
    overlapping = overlapping_route(INIT_PRODUCER_ID, respond_at_once, expects_response=bool)
    assert (overlapping.mode, overlapping.expects_response) == (RequestMode.OVERLAPPING, bool)
