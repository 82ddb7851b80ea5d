import asyncio
from contextlib import asynccontextmanager

import grpc.aio
import pytest

from common.ports.metadata import NewTopic
from common.ports.unavailable import BackendUnavailable, CallNotSent
from common.rpc import metadata_client
from common.rpc.channels import open_channel
from common.rpc.leader import open_leader_channel
from common.rpc.metadata_client import GrpcMetadata
from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1.metadata_pb2_grpc import (
    MetadataServiceServicer,
    add_MetadataServiceServicer_to_server,
)
from tests.support.processes.ports import ReservedPort


class ScriptedService(MetadataServiceServicer):
    """A metadata service with scripted responses; contract tests use the real one."""

    async def CreateTopics(self, request, context):  # noqa: N802
        await context.abort(grpc.StatusCode.UNAVAILABLE, "draining")


@asynccontextmanager
async def serve(service, address="127.0.0.1:0"):
    server = grpc.aio.server()
    add_MetadataServiceServicer_to_server(service, server)
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def run(body):
    async def bounded():
        async with asyncio.timeout(60):
            await body()

    asyncio.run(bounded())


def test_a_call_waits_for_a_service_that_is_starting():
    class Service(ScriptedService):
        async def AllocateProducerIds(self, request, context):  # noqa: N802
            return pb.AllocateProducerIdsResponse(first_producer_id=5, count=1000)

    async def body():
        async with open_channel(port.address) as channel:
            call = asyncio.create_task(GrpcMetadata(channel).allocate_producer_ids())
            # Wait until the first attempt to connect has failed.
            state = channel.get_state(try_to_connect=True)
            while state is not grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                await channel.wait_for_state_change(state)
                state = channel.get_state()
            async with serve(Service(), port.address):
                assert (await call).first == 5

    port = ReservedPort()
    try:
        run(body)
    finally:
        port.release()


@pytest.mark.parametrize("addresses", [1, 2])
@pytest.mark.parametrize(
    "call",
    [
        lambda metadata: metadata.create_topics([NewTopic("t")], timeout_ms=300_000),
        lambda metadata: metadata.delete_topics(["t"], timeout_ms=300_000),
        lambda metadata: metadata.allocate_producer_ids(),
    ],
    ids=["create", "delete", "ids"],
)
def test_a_call_to_an_unreachable_service_fails_soon(call, addresses, monkeypatch):
    """Independently of the client's timeout: its connection is blocked until the response."""
    monkeypatch.setattr(metadata_client, "_REACH_S_MAX", 0.05)
    ports = [ReservedPort() for _ in range(addresses)]

    async def body():
        async with open_leader_channel(",".join(port.address for port in ports)) as channel:
            with pytest.raises(CallNotSent, match="not reached"):
                await call(GrpcMetadata(channel))

    run(body)
    for port in ports:
        port.release()


def test_a_refused_call_is_unavailable_with_the_text_of_the_service():
    async def body():
        async with serve(ScriptedService()) as address, open_channel(address) as channel:
            with pytest.raises(BackendUnavailable, match=r"metadata CreateTopics.*draining"):
                await GrpcMetadata(channel).create_topics([NewTopic("t")], timeout_ms=0)

    run(body)


def test_a_deadline_leaves_the_service_the_timeout_of_the_request():
    times_remaining_s = []

    class Service(ScriptedService):
        async def DeleteTopics(self, request, context):  # noqa: N802
            times_remaining_s.append(context.time_remaining())
            return pb.DeleteTopicsResponse()

    async def body():
        async with serve(Service()) as address, open_channel(address) as channel:
            for timeout_ms in (60_000, -5):
                await GrpcMetadata(channel).delete_topics(["t"], timeout_ms=timeout_ms)
        assert times_remaining_s[0] > 55
        assert 0 < times_remaining_s[1] < 10

    run(body)
