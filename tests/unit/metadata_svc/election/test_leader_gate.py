import asyncio
from contextlib import asynccontextmanager

import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from common.rpc.channels import open_channel
from common.rpc.leader import NOT_LEADER
from common.rpc.server import RpcServer, Service
from metadata_svc.election.leader_gate import LeaderGate
from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1.metadata_pb2_grpc import (
    MetadataServiceServicer,
    MetadataServiceStub,
    add_MetadataServiceServicer_to_server,
)


class FakeMetadataServicer(MetadataServiceServicer):
    async def AllocateProducerIds(self, request, context):  # noqa: N802
        return pb.AllocateProducerIdsResponse(first_producer_id=1, count=1)

    async def Watch(self, requests, context):  # noqa: N802
        yield pb.WatchResponse(revision=1)


@asynccontextmanager
async def serve_behind(gate):
    service = Service(
        "metadata.v1.MetadataService",
        lambda server: add_MetadataServiceServicer_to_server(FakeMetadataServicer(), server),
    )
    server = RpcServer([service], address="127.0.0.1:0", interceptors=[gate])
    await server.start()
    try:
        async with open_channel(f"127.0.0.1:{server.port}") as channel:
            yield channel
    finally:
        await server.stop(grace_s=0)


async def allocate(channel):
    request = pb.AllocateProducerIdsRequest()
    return (await MetadataServiceStub(channel).AllocateProducerIds(request, timeout=30)).count


async def watch(channel):
    return (await MetadataServiceStub(channel).Watch(timeout=30).read()).revision


def run(body):
    async def bounded():
        gate = LeaderGate()
        async with asyncio.timeout(60), serve_behind(gate) as channel:
            await body(gate, channel)

    asyncio.run(bounded())


@pytest.mark.parametrize("call", [allocate, watch])
def test_gate_passes_calls_and_streams_while_it_leads_and_refuses_them_otherwise(call):
    async def expect_refusal(channel):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call(channel)
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        assert error.value.details().startswith(NOT_LEADER)

    async def body(gate, channel):
        await expect_refusal(channel)
        leads = True
        gate.open(lambda: leads)
        assert await call(channel) == 1
        # The lease has expired by the clock.
        leads = False
        await expect_refusal(channel)
        leads = True
        assert await call(channel) == 1
        gate.close()
        await expect_refusal(channel)

    run(body)


def test_gate_does_not_refuse_health_checks_and_unknown_methods_without_leadership():
    async def body(gate, channel):
        await HealthStub(channel).Check(HealthCheckRequest(service=""), timeout=30)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channel.unary_unary("/metadata.v1.MetadataService/Nothing")(b"", timeout=30)
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED

    run(body)
