import asyncio
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from common.kv.store import KvStoreFailed
from common.ports.metadata import Member, NewTopic
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import open_channel
from common.rpc.metadata_client import GrpcMetadata
from common.rpc.server import RpcServer
from metadata_svc.servicer import service
from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1.metadata_pb2_grpc import MetadataServiceStub
from tests.contracts.metadata_contract import (
    PARTITION_0,
    MetadataContract,
    following,
    gateway,
    until,
)
from tests.support.stores.memory_store import MemoryKvStore
from tests.unit.metadata_svc.test_core import LEASE_MS, open_core


@asynccontextmanager
async def serve(core):
    """Serves `core`; yields a channel to it."""
    server = RpcServer([service(core)], address="127.0.0.1:0")
    await server.start()
    await server.set_ready(True)
    channel = open_channel(f"127.0.0.1:{server.port}")
    try:
        yield channel
    finally:
        await channel.close()
        await server.stop(grace_s=0)


@asynccontextmanager
async def open_over_grpc(*, lease_ms=LEASE_MS):
    async with open_core(lease_ms=lease_ms) as core, serve(core) as channel:
        yield channel


class TestMetadataOverGrpc(MetadataContract):
    @asynccontextmanager
    async def opened(self):
        async with open_over_grpc() as channel:
            yield GrpcMetadata(channel)


def run(body):
    async def bounded():
        async with asyncio.timeout(60):
            await body()

    asyncio.run(bounded())


def test_a_silent_watcher_is_removed_after_its_lease_and_one_with_heartbeats_is_not():
    async def body():
        async with open_over_grpc(lease_ms=1_500) as channel:
            metadata = GrpcMetadata(channel)
            async with following(metadata, gateway(0)) as view:
                silent = MetadataServiceStub(channel).Watch()
                register = pb.Gateway(node_id=1, endpoints=[pb.Endpoint(host="h", port=1)])
                await silent.write(pb.WatchRequest(register_gateway=register))
                assert (await silent.read()).lease_ms == 1_500
                await until(lambda: view.gateway(1) is not None)
                # This gateway has been idle for longer; only its heartbeats keep it registered.
                await until(lambda: view.gateway(1) is None)
                assert view.gateway(0) == gateway(0)
                silent.cancel()

    run(body)


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        pytest.param(pb.WatchRequest(), "must register", id="empty"),
        pytest.param(pb.WatchRequest(heartbeat=pb.Heartbeat()), "must register", id="heartbeat"),
        pytest.param(
            pb.WatchRequest(register_gateway=pb.Gateway(node_id=-1, endpoints=[pb.Endpoint()])),
            "node id",
            id="negative node id",
        ),
        pytest.param(
            pb.WatchRequest(register_gateway=pb.Gateway(node_id=0)), "endpoint", id="no endpoint"
        ),
        pytest.param(
            pb.WatchRequest(register_member=pb.Member(address="a:1")), "name", id="no name"
        ),
    ],
)
def test_a_watch_that_does_not_register_is_refused_with_the_reason(first, reason):
    async def body():
        async with open_over_grpc() as channel:
            call = MetadataServiceStub(channel).Watch()
            await call.write(first)
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await call.read()
            assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert reason in error.value.details()

    run(body)


def test_a_watch_without_a_message_ends_after_a_lease():
    async def body():
        async with open_over_grpc(lease_ms=100) as channel:
            call = MetadataServiceStub(channel).Watch()
            with pytest.raises(grpc.aio.AioRpcError, match="did not register within its lease"):
                await call.read()

    run(body)


def test_topics_are_described_by_name_or_all_with_the_revision():
    async def body():
        async with open_over_grpc() as channel:
            metadata, stub = GrpcMetadata(channel), MetadataServiceStub(channel)
            async with following(metadata, PARTITION_0) as view:
                topics = [NewTopic("b", 2, configs={"retention.ms": "1"}), NewTopic("a", 1)]
                await metadata.create_topics(topics, timeout_ms=30_000)
                everything = await stub.DescribeTopics(pb.DescribeTopicsRequest())
                assert [topic.name for topic in everything.topics] == ["a", "b"]
                assert everything.revision == view.revision
                some = await stub.DescribeTopics(pb.DescribeTopicsRequest(names=["b", "missing"]))
                [topic] = some.topics
                assert topic.topic_id == view.topic("b").topic_id
                assert len(topic.partitions) == 2
                assert dict(topic.configs) == {"retention.ms": "1"}

    run(body)


class FailingStore(MemoryKvStore):
    """Fails every write while `is_broken`."""

    is_broken = False

    def write(self, batch, *, sync):
        if self.is_broken:
            raise KvStoreFailed("no space left on device")
        super().write(batch, sync=sync)


def test_a_store_that_fails_makes_calls_unavailable_and_watches_end():
    async def body():
        store = FailingStore()
        async with open_core(store) as core, serve(core) as channel:
            metadata = GrpcMetadata(channel)
            store.is_broken = True
            with pytest.raises(BackendUnavailable, match="no space left"):
                await metadata.allocate_producer_ids()
            watch = metadata.watch(Member("partition-0", "a:1"))
            with pytest.raises(BackendUnavailable, match="no space left"):
                await anext(aiter(watch))
            await watch.close()

    run(body)


def test_health_is_served_beside_the_metadata():
    async def body():
        async with open_over_grpc() as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            response = await stub.Check(health_pb2.HealthCheckRequest(service="readiness"))
            assert response.status == health_pb2.HealthCheckResponse.SERVING

    run(body)


def test_a_cancelled_caller_does_not_interrupt_a_creation():
    async def body():
        async with open_over_grpc() as channel:
            metadata = GrpcMetadata(channel)
            async with following(metadata, PARTITION_0) as view:
                idle = metadata.watch(gateway(0))
                await anext(aiter(idle))
                creating = asyncio.create_task(
                    metadata.create_topics([NewTopic("t")], timeout_ms=30_000)
                )
                await until(lambda: view.topic("t"))
                creating.cancel()
                await idle.close()
                [again] = await metadata.create_topics([NewTopic("t")], timeout_ms=30_000)
                assert again.refusal.name == "TOPIC_ALREADY_EXISTS"

    run(body)
