import asyncio
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from common.rpc.channels import open_channel
from common.rpc.metadata_client import GrpcMetadata
from common.rpc.ring_client import GrpcRing
from common.rpc.server import RpcServer
from metadata_svc.ring_servicer import RING_SERVICE, tell_of_moves
from metadata_svc.ring_servicer import service as ring_service
from metadata_svc.servicer import service
from protos.metadata.v1 import ring_pb2 as pb
from protos.metadata.v1.ring_pb2_grpc import RingServiceStub
from tests.contracts.disk_contract import DiskContract
from tests.contracts.member_process_contract import MemberProcessContract
from tests.contracts.ring_contract import RingContract
from tests.unit.metadata_svc.test_ring import opened_ring


@asynccontextmanager
async def opened_over_grpc():
    async with opened_ring() as core:
        server = RpcServer([service(core), ring_service(core.ring)], address="127.0.0.1:0")
        await server.start()
        channel = open_channel(f"127.0.0.1:{server.port}")
        try:
            yield channel
        finally:
            await channel.close()
            await server.stop(grace_s=0)


class TestRingOverGrpc(RingContract, MemberProcessContract, DiskContract):
    @asynccontextmanager
    async def opened(self):
        async with opened_over_grpc() as channel:
            yield GrpcMetadata(channel), GrpcRing(channel)


@pytest.mark.parametrize(
    ("method", "request_", "why"),
    [
        ("ChangeRing", pb.ChangeRingRequest(), "the request contains no change"),
        ("AdvanceMove", pb.AdvanceMoveRequest(move_id=1), "unknown move phase"),
        ("AdvanceMove", pb.AdvanceMoveRequest(move_id=1, phase=99), "unknown move phase"),
    ],
)
def test_a_call_that_asks_for_nothing_is_refused_in_words(method, request_, why):
    async def body():
        async with asyncio.timeout(60), opened_over_grpc() as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await getattr(RingServiceStub(channel), method)(request_)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert why in refused.value.details()

    asyncio.run(body())


def test_health_says_whether_moves_work_and_the_service_stays_ready():
    async def body():
        async with asyncio.timeout(60), opened_ring() as core:
            server = RpcServer([ring_service(core.ring)], address="127.0.0.1:0")
            await server.start()
            await server.set_ready(True)
            tell_of_moves(core, server)
            async with open_channel(f"127.0.0.1:{server.port}") as channel:
                asking = health_pb2_grpc.HealthStub(channel)

                async def is_serving(name):
                    answer = await asking.Check(health_pb2.HealthCheckRequest(service=name))
                    return answer.status == health_pb2.HealthCheckResponse.SERVING

                for trouble in ("", "a bug", ""):
                    core._scheduler._set_trouble(trouble)
                    assert await is_serving(RING_SERVICE) is not bool(trouble)
                    assert await is_serving("readiness")
            await server.stop(grace_s=0)

    asyncio.run(body())
