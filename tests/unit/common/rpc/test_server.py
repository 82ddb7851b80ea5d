"""A real server on a free port: health, reflection, draining, addresses in use."""

import asyncio
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from common.rpc.channels import open_channel
from common.rpc.server import AddressInUse, RpcServer, Service
from protos.partition.v1 import partition_pb2, partition_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class EchoServicer(partition_pb2_grpc.PartitionServiceServicer):
    """Returns the logs of a DescribeLog request when `may_respond` is set."""

    def __init__(self):
        self.called = asyncio.Event()
        self.may_respond = asyncio.Event()
        self.may_respond.set()

    async def DescribeLog(self, request, context):  # noqa: N802 - gRPC's name
        self.called.set()
        await self.may_respond.wait()
        logs = [partition_pb2.LogDescription(topic_id=log.topic_id) for log in request.logs]
        return partition_pb2.DescribeLogResponse(logs=logs)


@asynccontextmanager
async def _serve(echo):
    service = Service(
        "partition.v1.PartitionService",
        lambda server: partition_pb2_grpc.add_PartitionServiceServicer_to_server(echo, server),
    )
    server = RpcServer([service], address="127.0.0.1:0")
    await server.start()
    try:
        async with open_channel(f"127.0.0.1:{server.port}") as channel:
            yield server, channel
    finally:
        await server.stop(grace_s=0)


async def _health(channel, name):
    response = await health_pb2_grpc.HealthStub(channel).Check(
        health_pb2.HealthCheckRequest(service=name)
    )
    return response.status


def test_server_is_alive_at_once_and_ready_when_it_is_set_ready():
    async def scenario():
        async with _serve(EchoServicer()) as (server, channel):
            assert await _health(channel, "") == SERVING
            assert await _health(channel, "readiness") == NOT_SERVING
            await server.set_ready(True)
            assert await _health(channel, "readiness") == SERVING

    asyncio.run(scenario())


def test_a_probe_with_a_wrong_name_does_not_pass():
    async def scenario():
        async with _serve(EchoServicer()) as (_, channel):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await _health(channel, "ready")
            return error.value.code()

    assert asyncio.run(scenario()) is grpc.StatusCode.NOT_FOUND


def test_server_can_become_unready_and_stay_alive():
    async def scenario():
        async with _serve(EchoServicer()) as (server, channel):
            await server.set_ready(True)
            await server.set_ready(False)
            return await _health(channel, "readiness"), await _health(channel, "")

    assert asyncio.run(scenario()) == (NOT_SERVING, SERVING)


def test_reflection_names_every_service():
    async def scenario():
        async with _serve(EchoServicer()) as (_, channel):
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            response = await anext(aiter(stub.ServerReflectionInfo(iter([request]))))
            return {service.name for service in response.list_services_response.service}

    names = asyncio.run(scenario())
    assert {"partition.v1.PartitionService", "grpc.health.v1.Health"} <= names


def test_a_message_larger_than_grpcs_default_passes_both_ways():
    async def scenario():
        async with _serve(EchoServicer()) as (_, channel):
            log = partition_pb2.LogId(topic_id=bytes(20 << 20))
            stub = partition_pb2_grpc.PartitionServiceStub(channel)
            response = await stub.DescribeLog(partition_pb2.DescribeLogRequest(logs=[log]))
            return len(response.logs[0].topic_id)

    assert asyncio.run(scenario()) == 20 << 20


def test_stop_lets_a_call_in_flight_end():
    async def scenario():
        echo = EchoServicer()
        echo.may_respond.clear()
        async with _serve(echo) as (server, channel):
            stub = partition_pb2_grpc.PartitionServiceStub(channel)
            call = asyncio.ensure_future(
                stub.DescribeLog(partition_pb2.DescribeLogRequest(logs=[partition_pb2.LogId()]))
            )
            await echo.called.wait()
            stopping = asyncio.ensure_future(server.stop(grace_s=60))
            await asyncio.sleep(0)
            echo.may_respond.set()
            response = await call
            await stopping
            return len(response.logs)

    assert asyncio.run(scenario()) == 1


def test_an_address_in_use_is_named_in_the_error():
    async def scenario():
        async with _serve(EchoServicer()) as (server, _):
            second = RpcServer([], address=f"127.0.0.1:{server.port}")
            with pytest.raises(AddressInUse, match=f"cannot listen on 127.0.0.1:{server.port}"):
                await second.start()
            await second.stop(grace_s=0)

    asyncio.run(scenario())
