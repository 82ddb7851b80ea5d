import asyncio

from common.ports.group_errors import GroupClient
from common.ports.unavailable import BackendUnavailable
from gateway_svc.dispatch.coordinator_call import (
    CoordinatorOperation,
    group_client,
    refuse_if_unavailable,
)
from gateway_svc.wire.apis.heartbeat import HEARTBEAT, HeartbeatRequest, HeartbeatResponse
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster

REQUEST = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")


def test_refuse_if_unavailable_responds_with_coordinator_not_available():
    @refuse_if_unavailable(HEARTBEAT)
    async def handle(request, context):
        raise BackendUnavailable("unreachable")

    response = asyncio.run(handle(REQUEST, FakeCluster().context(4)))
    assert response == HeartbeatResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)


def test_refuse_if_unavailable_passes_a_response_on():
    @refuse_if_unavailable(HEARTBEAT)
    async def handle(request, context):
        return HeartbeatResponse()

    assert asyncio.run(handle(REQUEST, FakeCluster().context(4))) == HeartbeatResponse()


def test_coordinator_operation_responds_with_a_result_or_the_error():
    async def scenario():
        failed, done = (asyncio.get_running_loop().create_future() for _ in range(2))
        failed.set_exception(BackendUnavailable("unreachable"))
        done.set_result(ErrorCode.ILLEGAL_GENERATION)
        return [
            CoordinatorOperation(
                HEARTBEAT, REQUEST, future, lambda code: HeartbeatResponse(error_code=code)
            ).respond()
            for future in (failed, done)
        ]

    codes = [response.error_code for response in asyncio.run(scenario())]
    assert codes == [ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.ILLEGAL_GENERATION]


def test_abandon_cancels_the_call_to_the_coordinator():
    async def scenario():
        future = asyncio.get_running_loop().create_future()
        CoordinatorOperation(HEARTBEAT, REQUEST, future, lambda _: HeartbeatResponse()).abandon()
        return future.cancelled()

    assert asyncio.run(scenario())


def test_group_client_describes_a_client_as_kafka_does():
    assert group_client(FakeCluster().context(4, client_id="c")) == GroupClient("c", "/10.0.0.9")
