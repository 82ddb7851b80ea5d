"""Failures of calls: not reachable, refused by the server, or cancelled by the caller."""

import asyncio
import socket
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from common.ports.unavailable import BackendUnavailable, CallNotSent
from common.rpc.channels import open_channel, unavailable_on_failure
from common.rpc.server import RpcServer, Service
from protos.partition.v1 import partition_pb2, partition_pb2_grpc
from tests.support.processes.name_server import NameServer
from tests.support.processes.ports import ReservedPort

REQUEST = partition_pb2.DescribeLogRequest()


class FakePartitions(partition_pb2_grpc.PartitionServiceServicer):
    """DescribeLog aborts, ListOffsets never returns."""

    def __init__(self):
        self.called = asyncio.Event()

    async def DescribeLog(self, request, context):  # noqa: N802 - gRPC's name
        await context.abort(grpc.StatusCode.UNAVAILABLE, "draining")

    async def ListOffsets(self, request, context):  # noqa: N802 - gRPC's name
        self.called.set()
        await asyncio.Event().wait()


@asynccontextmanager
async def _serve(partitions):
    service = Service(
        "partition.v1.PartitionService",
        lambda server: partition_pb2_grpc.add_PartitionServiceServicer_to_server(
            partitions, server
        ),
    )
    server = RpcServer([service], address="127.0.0.1:0")
    await server.start()
    channel = open_channel(f"127.0.0.1:{server.port}")
    try:
        yield partition_pb2_grpc.PartitionServiceStub(channel), channel
    finally:
        await channel.close()
        await server.stop(grace_s=0)


def test_a_changed_dns_record_is_followed_within_seconds():
    """Simulates a pod that restarts with another IP. By default gRPC resolves a name every 30 s."""

    async def serve(host, port):
        server = RpcServer([], address=f"{host}:{port}")
        await server.start()
        return server

    async def scenario():
        port = ReservedPort()
        with NameServer("127.0.0.2") as names:
            before = await serve("127.0.0.2", port.port)
            channel = open_channel(names.target("partition-0.partition", port.port))
            health = HealthStub(channel)
            await health.Check(HealthCheckRequest(), wait_for_ready=True)
            await before.stop(grace_s=0)
            names.host = "127.0.0.3"
            after = await serve("127.0.0.3", port.port)
            # Far longer than needed, and shorter than 30 s.
            await health.Check(HealthCheckRequest(), wait_for_ready=True, timeout=15)
            assert names.queries >= 2
            await channel.close()
            await after.stop(grace_s=0)
        port.release()

    asyncio.run(scenario())


def test_a_status_becomes_backend_unavailable_with_its_reason():
    async def scenario():
        async with _serve(FakePartitions()) as (stub, _):
            with unavailable_on_failure("DescribeLog"):
                await stub.DescribeLog(REQUEST)

    with pytest.raises(BackendUnavailable, match="DescribeLog: UNAVAILABLE: draining"):
        asyncio.run(scenario())


def test_a_deadline_becomes_backend_unavailable():
    async def scenario():
        async with _serve(FakePartitions()) as (stub, _):
            with unavailable_on_failure("ListOffsets"):
                await stub.ListOffsets(partition_pb2.ListOffsetsRequest(), timeout=0.05)

    with pytest.raises(BackendUnavailable, match="DEADLINE_EXCEEDED"):
        asyncio.run(scenario())


def test_a_closed_port_becomes_backend_unavailable():
    async def scenario():
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            async with open_channel(f"127.0.0.1:{unused.getsockname()[1]}") as channel:
                with unavailable_on_failure("DescribeLog"):
                    await partition_pb2_grpc.PartitionServiceStub(channel).DescribeLog(REQUEST)

    with pytest.raises(BackendUnavailable, match="UNAVAILABLE"):
        asyncio.run(scenario())


def _end_call_in_flight(end):
    """Starts a call without a response, then ends it by `end(task, channel)`."""

    async def call(stub):
        with unavailable_on_failure("ListOffsets"):
            await stub.ListOffsets(partition_pb2.ListOffsetsRequest())

    async def scenario():
        partitions = FakePartitions()
        async with _serve(partitions) as (stub, channel):
            task = asyncio.ensure_future(call(stub))
            await partitions.called.wait()
            await end(task, channel)
            await task

    asyncio.run(scenario())


def test_a_channel_closed_under_a_call_makes_it_unavailable_not_cancelled():
    async def close(_task, channel):
        await channel.close()

    with pytest.raises(BackendUnavailable):
        _end_call_in_flight(close)


def test_a_cancelled_task_stays_cancelled():
    async def cancel(task, _channel):
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        _end_call_in_flight(cancel)


def test_a_closed_channel_is_unavailable():
    async def scenario():
        async with _serve(FakePartitions()) as (stub, channel):
            await channel.close()
            with unavailable_on_failure("DescribeLog"):
                await stub.DescribeLog(REQUEST)

    with pytest.raises(BackendUnavailable):
        asyncio.run(scenario())


def test_a_call_without_a_connection_was_not_sent():
    async def call(port):
        channel = open_channel(f"127.0.0.1:{port}")
        try:
            with unavailable_on_failure("DescribeLog"):
                await partition_pb2_grpc.PartitionServiceStub(channel).DescribeLog(REQUEST)
        finally:
            await channel.close()

    reserved = ReservedPort()
    with pytest.raises(CallNotSent, match="UNAVAILABLE"):
        asyncio.run(call(reserved.port))
    reserved.release()


def test_a_call_that_its_server_ends_may_have_had_an_effect():
    async def scenario():
        async with _serve(FakePartitions()) as (stub, _):
            with unavailable_on_failure("DescribeLog"):
                await stub.DescribeLog(REQUEST)

    with pytest.raises(BackendUnavailable) as error:
        asyncio.run(scenario())
    assert not isinstance(error.value, CallNotSent)
