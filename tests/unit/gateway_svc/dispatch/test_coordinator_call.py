import asyncio

from common.ports.group_errors import GroupClient
from common.ports.unavailable import BackendUnavailable
from gateway_svc.dispatch.coordinator_call import Coordinating, client_of, coordinated
from gateway_svc.wire.apis.heartbeat import HEARTBEAT, HeartbeatRequest, HeartbeatResponse
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.world import World

REQUEST = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")


def test_a_coordinator_that_does_not_answer_is_not_available():
    @coordinated(HEARTBEAT)
    async def handle(request, call):
        raise BackendUnavailable("gone")

    response = asyncio.run(handle(REQUEST, World().context(4)))
    assert response == HeartbeatResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)


def test_an_answer_passes_as_it_is():
    @coordinated(HEARTBEAT)
    async def handle(request, call):
        return HeartbeatResponse()

    assert asyncio.run(handle(REQUEST, World().context(4))) == HeartbeatResponse()


def test_what_waits_without_a_task_is_refused_and_answered_alike():
    async def story():
        gone, here = (asyncio.get_running_loop().create_future() for _ in range(2))
        gone.set_exception(BackendUnavailable("gone"))
        here.set_result(ErrorCode.ILLEGAL_GENERATION)
        return [
            Coordinating(
                HEARTBEAT, REQUEST, one, lambda code: HeartbeatResponse(error_code=code)
            ).respond()
            for one in (gone, here)
        ]

    codes = [one.error_code for one in asyncio.run(story())]
    assert codes == [ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.ILLEGAL_GENERATION]


def test_the_request_of_a_client_that_left_is_cancelled():
    async def story():
        answer = asyncio.get_running_loop().create_future()
        Coordinating(HEARTBEAT, REQUEST, answer, lambda _: HeartbeatResponse()).abandon()
        return answer.cancelled()

    assert asyncio.run(story())


def test_clients_are_named_as_kafka_names_them():
    assert client_of(World().context(4, client_id="c")) == GroupClient("c", "/10.0.0.9")
