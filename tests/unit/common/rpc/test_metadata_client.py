import asyncio
from contextlib import asynccontextmanager

import grpc.aio
import pytest

from common.ports.metadata import NewTopic
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import open_channel
from common.rpc.metadata_client import GrpcMetadata
from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1.metadata_pb2_grpc import (
    MetadataServiceServicer,
    add_MetadataServiceServicer_to_server,
)
from tests.support.ports import ReservedPort


class ScriptedService(MetadataServiceServicer):
    """A metadata service that does what a test says; the real one is in the contract's tests."""

    async def CreateTopics(self, request, context):  # noqa: N802
        await context.abort(grpc.StatusCode.UNAVAILABLE, "draining")


@asynccontextmanager
async def served(service, address="127.0.0.1:0"):
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
            asking = asyncio.create_task(GrpcMetadata(channel).allocate_producer_ids())
            # The channel has found nobody by now.
            state = channel.get_state(try_to_connect=True)
            while state is not grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                await channel.wait_for_state_change(state)
                state = channel.get_state()
            async with served(Service(), port.address):
                assert (await asking).first == 5

    port = ReservedPort()
    try:
        run(body)
    finally:
        port.release()


def test_a_refused_call_is_unavailable_with_the_services_words():
    async def body():
        async with served(ScriptedService()) as address, open_channel(address) as channel:
            with pytest.raises(BackendUnavailable, match=r"metadata CreateTopics.*draining"):
                await GrpcMetadata(channel).create_topics([NewTopic("t")], timeout_ms=0)

    run(body)


def test_a_deadline_leaves_the_service_the_time_it_was_given():
    seen = []

    class Service(ScriptedService):
        async def DeleteTopics(self, request, context):  # noqa: N802
            seen.append(context.time_remaining())
            return pb.DeleteTopicsResponse()

    async def body():
        async with served(Service()) as address, open_channel(address) as channel:
            for timeout_ms in (60_000, -5):
                await GrpcMetadata(channel).delete_topics(["t"], timeout_ms=timeout_ms)
        assert seen[0] > 55
        assert 0 < seen[1] < 10

    run(body)
