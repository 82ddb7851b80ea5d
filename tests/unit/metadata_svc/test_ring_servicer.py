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
from metadata_svc.ring_servicer import RING_SERVICE, publish_health
from metadata_svc.ring_servicer import service as ring_service
from metadata_svc.servicer import service
from protos.metadata.v1 import ring_pb2 as pb
from protos.metadata.v1.ring_pb2_grpc import RingServiceStub
from tests.contracts.disk_contract import DiskContract
from tests.contracts.member_process_contract import MemberProcessContract
from tests.contracts.ring_contract import RingContract
from tests.unit.metadata_svc.test_ring import open_ring


@asynccontextmanager
async def open_over_grpc():
    async with open_ring() as core:
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
        async with open_over_grpc() as channel:
            yield GrpcMetadata(channel), GrpcRing(channel)


@pytest.mark.parametrize(
    ("method", "request_", "reason"),
    [
        ("ChangeRing", pb.ChangeRingRequest(), "the request contains no change"),
        ("AdvanceMove", pb.AdvanceMoveRequest(move_id=1), "unknown move phase"),
        ("AdvanceMove", pb.AdvanceMoveRequest(move_id=1, phase=99), "unknown move phase"),
    ],
)
def test_a_call_without_a_change_is_refused_with_the_reason(method, request_, reason):
    async def body():
        async with asyncio.timeout(60), open_over_grpc() as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await getattr(RingServiceStub(channel), method)(request_)
            assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert reason in error.value.details()

    asyncio.run(body())


def test_health_shows_whether_moves_work_while_the_service_stays_ready():
    async def body():
        async with asyncio.timeout(60), open_ring() as core:
            server = RpcServer([ring_service(core.ring)], address="127.0.0.1:0")
            await server.start()
            await server.set_ready(True)
            publish_health(core, server)
            async with open_channel(f"127.0.0.1:{server.port}") as channel:
                stub = health_pb2_grpc.HealthStub(channel)

                async def is_serving(name):
                    response = await stub.Check(health_pb2.HealthCheckRequest(service=name))
                    return response.status == health_pb2.HealthCheckResponse.SERVING

                for trouble in ("", "a bug", ""):
                    core._scheduler._set_trouble(trouble)
                    assert await is_serving(RING_SERVICE) is not bool(trouble)
                    assert await is_serving("readiness")
            await server.stop(grace_s=0)

    asyncio.run(body())
