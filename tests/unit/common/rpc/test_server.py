"""A real server on a free port: health, reflection, draining, taken addresses."""

import asyncio
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from common.rpc.channels import open_channel
from common.rpc.server import AddressTaken, RpcServer, Service
from protos.partition.v1 import partition_pb2, partition_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Echo(partition_pb2_grpc.PartitionServiceServicer):
    """Answers DescribeLog with what was asked, as soon as it may."""

    def __init__(self):
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def DescribeLog(self, request, context):  # noqa: N802 - gRPC's name
        self.asked.set()
        await self.may_answer.wait()
        logs = [partition_pb2.LogDescription(topic_id=log.topic_id) for log in request.logs]
        return partition_pb2.DescribeLogResponse(logs=logs)


@asynccontextmanager
async def _served(echo):
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
    answer = await health_pb2_grpc.HealthStub(channel).Check(
        health_pb2.HealthCheckRequest(service=name)
    )
    return answer.status


def test_it_is_alive_at_once_and_ready_when_told():
    async def case():
        async with _served(Echo()) as (server, channel):
            assert await _health(channel, "") == SERVING
            assert await _health(channel, "readiness") == NOT_SERVING
            await server.set_ready(True)
            assert await _health(channel, "readiness") == SERVING

    asyncio.run(case())


def test_a_probe_with_a_wrong_name_does_not_pass():
    async def case():
        async with _served(Echo()) as (_, channel):
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await _health(channel, "ready")
            return refusal.value.code()

    assert asyncio.run(case()) is grpc.StatusCode.NOT_FOUND


def test_it_can_stop_being_ready_without_ceasing_to_live():
    async def case():
        async with _served(Echo()) as (server, channel):
            await server.set_ready(True)
            await server.set_ready(False)
            return await _health(channel, "readiness"), await _health(channel, "")

    assert asyncio.run(case()) == (NOT_SERVING, SERVING)


def test_reflection_names_every_service():
    async def case():
        async with _served(Echo()) as (_, channel):
            asked = reflection_pb2.ServerReflectionRequest(list_services="")
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            answer = await anext(aiter(stub.ServerReflectionInfo(iter([asked]))))
            return {one.name for one in answer.list_services_response.service}

    names = asyncio.run(case())
    assert {"partition.v1.PartitionService", "grpc.health.v1.Health"} <= names


def test_a_message_larger_than_grpcs_default_passes_both_ways():
    async def case():
        async with _served(Echo()) as (_, channel):
            log = partition_pb2.LogId(topic_id=bytes(20 << 20))
            stub = partition_pb2_grpc.PartitionServiceStub(channel)
            answer = await stub.DescribeLog(partition_pb2.DescribeLogRequest(logs=[log]))
            return len(answer.logs[0].topic_id)

    assert asyncio.run(case()) == 20 << 20


def test_stop_lets_a_call_in_flight_end():
    async def case():
        echo = Echo()
        echo.may_answer.clear()
        async with _served(echo) as (server, channel):
            stub = partition_pb2_grpc.PartitionServiceStub(channel)
            call = asyncio.ensure_future(
                stub.DescribeLog(partition_pb2.DescribeLogRequest(logs=[partition_pb2.LogId()]))
            )
            await echo.asked.wait()
            stopping = asyncio.ensure_future(server.stop(grace_s=60))
            await asyncio.sleep(0)
            echo.may_answer.set()
            answer = await call
            await stopping
            return len(answer.logs)

    assert asyncio.run(case()) == 1


def test_a_taken_address_is_named():
    async def case():
        async with _served(Echo()) as (server, _):
            second = RpcServer([], address=f"127.0.0.1:{server.port}")
            with pytest.raises(AddressTaken, match=f"cannot listen on 127.0.0.1:{server.port}"):
                await second.start()
            await second.stop(grace_s=0)

    asyncio.run(case())
