import asyncio
from contextlib import asynccontextmanager

import grpc.aio
import pytest

from common.ports.metadata import Endpoint, Gateway, NewTopic
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import open_channel
from common.rpc.metadata_client import GrpcMetadata
from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1.metadata_pb2_grpc import (
    MetadataServiceServicer,
    add_MetadataServiceServicer_to_server,
)
from tests.support.ports import ReservedPort

GATEWAY = Gateway(0, (Endpoint("PLAINTEXT", "h", 1),))


class ScriptedService(MetadataServiceServicer):
    """A metadata service that does what a test says; the real one is in the contract's tests."""

    def __init__(self, *, lease_ms=10_000):
        self.lease_ms = lease_ms
        self.heard = asyncio.Queue()
        self.finish = asyncio.Event()

    async def Watch(self, requests, context):  # noqa: N802
        async def hear():
            async for request in requests:
                await self.heard.put(request)

        hearing = asyncio.create_task(hear())
        yield pb.WatchResponse(revision=7, is_snapshot=True, lease_ms=self.lease_ms)
        await self.finish.wait()
        hearing.cancel()

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


def test_a_watch_registers_first_then_acknowledges_what_it_was_told_to():
    async def body():
        service = ScriptedService()
        async with served(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(GATEWAY)
            change = await anext(aiter(watch))
            assert (change.revision, change.is_snapshot) == (7, True)
            assert (await service.heard.get()).register_gateway.node_id == 0
            watch.acknowledge(5)
            watch.acknowledge(7)
            while (heard := await service.heard.get()).WhichOneof("event") == "heartbeat":
                pass
            assert heard.acknowledged_revision == 7
            await watch.close()

    run(body)


def test_a_watch_with_nothing_to_say_sends_heartbeats_within_the_lease():
    async def body():
        service = ScriptedService(lease_ms=30)
        async with served(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(GATEWAY)
            await anext(aiter(watch))
            events = [(await service.heard.get()).WhichOneof("event") for _ in range(4)]
            assert events == ["register_gateway", "heartbeat", "heartbeat", "heartbeat"]
            await watch.close()

    run(body)


def test_a_service_that_ends_the_watch_is_unavailable():
    async def body():
        service = ScriptedService()
        async with served(service) as address, open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(GATEWAY)
            changes = aiter(watch)
            await anext(changes)
            service.finish.set()
            with pytest.raises(BackendUnavailable, match="ended by the service"):
                await anext(changes)
            await watch.close()

    run(body)


def test_where_nobody_listens_a_watch_fails_at_once():
    async def body():
        async with served(ScriptedService()) as address:
            pass
        async with open_channel(address) as channel:
            watch = GrpcMetadata(channel).watch(GATEWAY)
            with pytest.raises(BackendUnavailable, match="metadata Watch"):
                await anext(aiter(watch))
            await watch.close()

    run(body)


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
