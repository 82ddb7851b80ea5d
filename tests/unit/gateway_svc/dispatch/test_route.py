from gateway_svc.dispatch.route import (
    RequestMode,
    deferred_route,
    exclusive_route,
    overlapping_route,
)
from gateway_svc.wire.apis.init_producer_id import INIT_PRODUCER_ID, InitProducerIdResponse


async def in_a_task(request: object, context: object) -> InitProducerIdResponse:
    return InitProducerIdResponse()


def at_once(request: object, context: object) -> InitProducerIdResponse:
    return InitProducerIdResponse()


def test_routes_tell_their_mode_and_answer_all_requests_unless_told_otherwise():
    exclusive = exclusive_route(INIT_PRODUCER_ID, in_a_task)
    assert (exclusive.mode, exclusive.expects_response) == (RequestMode.EXCLUSIVE, None)
    deferred = deferred_route(INIT_PRODUCER_ID, at_once)
    assert (deferred.mode, deferred.expects_response) == (RequestMode.DEFERRED, None)
    overlapping = overlapping_route(INIT_PRODUCER_ID, at_once, expects_response=bool)
    assert (overlapping.mode, overlapping.expects_response) == (RequestMode.OVERLAPPING, bool)
