from gateway_svc.dispatch.route import overlapping_route, route, started_route
from gateway_svc.wire.apis.init_producer_id import INIT_PRODUCER_ID, InitProducerIdResponse


async def alone(request: object, call: object) -> InitProducerIdResponse:
    return InitProducerIdResponse()


def together(request: object, call: object) -> InitProducerIdResponse:
    return InitProducerIdResponse()


def test_requests_run_alone_and_are_answered_unless_the_route_says_else():
    usual = route(INIT_PRODUCER_ID, alone)
    assert (usual.is_task, usual.may_overlap, usual.is_answered) == (True, False, None)
    other = overlapping_route(INIT_PRODUCER_ID, together, is_answered=bool)
    assert (other.is_task, other.may_overlap, other.is_answered) == (False, True, bool)


def test_many_small_requests_run_alone_without_a_task():
    one = started_route(INIT_PRODUCER_ID, together)
    assert (one.is_task, one.may_overlap, one.is_answered) == (False, False, None)
