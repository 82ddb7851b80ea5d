import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from common.config.settings import build
from common.etcd.leadership import LeadershipLost
from common.kv.etcd import EtcdKvStore
from common.kv.store import KvStoreFailed
from common.ports.metadata import NewTopic
from common.rpc.channels import open_channel
from common.rpc.leader import METADATA, LeaderChannel
from common.rpc.metadata_client import GrpcMetadata
from common.rpc.server import READINESS
from metadata_svc.app import serve
from metadata_svc.config import MetadataSettings, TopicDefaults
from metadata_svc.store_config import StoreSettings
from protos.etcd.v3 import rpc_pb2 as pb
from tests.contracts.metadata_contract import PARTITION_0, MetadataContract, following, until
from tests.support.processes.etcd import wait_until_elected
from tests.support.processes.ports import ReservedPort
from tests.unit.metadata_svc.test_core import open_core

SERVING, NOT_SERVING = 1, 2


class Process:
    """`serve` on etcd, as a task."""

    def __init__(self, store_settings):
        self.port = ReservedPort()
        self._stop = asyncio.Event()
        settings = build(MetadataSettings, {"grpc.listen": self.port.address})
        serving = serve(settings, build(TopicDefaults, {}), self._stop, store_settings)
        self.task = asyncio.create_task(serving)

    async def stop(self):
        self._stop.set()
        with suppress(LeadershipLost):
            await self.task
        self.port.release()

    async def health_status(self, name):
        """Returns the service's health status, or 0 while the port refuses connections."""
        async with open_channel(self.port.address) as channel:
            with suppress(Exception):
                request = HealthCheckRequest(service=name)
                return (await HealthStub(channel).Check(request, timeout=30)).status
        return 0

    async def wait_for_status(self, name, status):
        while await self.health_status(name) != status:  # noqa: ASYNC110 - Check must be polled
            await asyncio.sleep(0.01)


@asynccontextmanager
async def run_processes(store_settings, count=1):
    started = [Process(store_settings) for _ in range(count)]
    try:
        async with AsyncExitStack() as stack:
            addresses = [process.port.address for process in started]
            channels = [
                await stack.enter_async_context(open_channel(address)) for address in addresses
            ]
            yield started, GrpcMetadata(LeaderChannel(channels, METADATA))
    finally:
        for process in started:
            await process.stop()


@pytest.fixture
def store_settings(shared_etcd, prefix):
    raw = {
        "metadata.store": "etcd",
        "etcd.endpoints": shared_etcd.address,
        "etcd.prefix": prefix.decode(),
        "etcd.session.timeout.ms": "60000",
    }
    return build(StoreSettings, raw)


def run(body):
    async def bounded():
        async with asyncio.timeout(60):
            await body()

    asyncio.run(bounded())


class TestMetadataOnEtcd(MetadataContract):
    @pytest.fixture(autouse=True)
    def set_client(self, client, prefix):
        self.client, self.prefix = client, prefix

    @asynccontextmanager
    async def opened(self):
        leadership = await asyncio.to_thread(wait_until_elected, self.client, self.prefix)
        store = EtcdKvStore(self.client, prefix=self.prefix)
        store.lead(leadership)
        async with open_core(store) as core:
            yield core
        await asyncio.to_thread(leadership.resign)


def test_leader_and_standbys_are_ready(store_settings):
    async def body():
        async with run_processes(store_settings) as ([first], _):
            await first.wait_for_status(METADATA, SERVING)
            async with run_processes(store_settings) as ([second], _):
                await second.wait_for_status(READINESS, SERVING)
                assert await second.health_status(METADATA) != SERVING
                assert await second.health_status("") == SERVING
                assert await first.health_status(READINESS) == SERVING

    run(body)


def test_next_leader_has_the_topics_of_the_previous_one(store_settings):
    async def body():
        async with (
            run_processes(store_settings, 2) as (both, metadata),
            following(metadata, PARTITION_0) as view,
        ):
            [created] = await metadata.create_topics([NewTopic("t")], timeout_ms=30_000)
            for process in both:
                if await process.health_status(METADATA) == SERVING:
                    await process.stop()
            [result] = await metadata.create_topics([NewTopic("u")], timeout_ms=30_000)
            assert result.refusal is None
            await until(lambda: view.topic("u"))
            assert view.topic("t").topic_id == created.topic_id

    run(body)


def test_leader_cannot_write_and_ends_when_its_key_is_deleted(store_settings, client, prefix):
    async def body():
        async with (
            run_processes(store_settings) as ([process], metadata),
            following(metadata, PARTITION_0),
        ):
            key = pb.DeleteRangeRequest(key=prefix + b"leader")
            delete = pb.TxnRequest(success=[pb.RequestOp(request_delete_range=key)])
            await asyncio.to_thread(client.transact, delete)
            [result] = await metadata.create_topics([NewTopic("t")], timeout_ms=30_000)
            assert result.refusal is not None
            with pytest.raises(LeadershipLost, match="another process leads"):
                await process.task
        topics = pb.RangeRequest(key=prefix + b"data/t", range_end=prefix + b"data/u")
        assert not client.range(topics).kvs

    run(body)


def test_process_ends_and_resigns_when_the_state_cannot_be_read(store_settings, client, prefix):
    async def body():
        put = pb.PutRequest(key=prefix + b"data/f", value=b"of another release")
        client.transact(pb.TxnRequest(success=[pb.RequestOp(request_put=put)]))
        process = Process(store_settings)
        with pytest.raises(KvStoreFailed, match="of another release"):
            await process.task
        assert not client.range(pb.RangeRequest(key=prefix + b"leader")).kvs
        process.port.release()

    run(body)


def test_candidate_can_be_stopped_while_it_waits_for_etcd():
    async def body():
        port = ReservedPort()
        raw = {"metadata.store": "etcd", "etcd.endpoints": port.address}
        process = Process(build(StoreSettings, raw))
        await process.wait_for_status("", SERVING)
        assert await process.health_status(READINESS) == NOT_SERVING
        await process.stop()
        port.release()

    run(body)


def test_missing_tls_files_are_reported():
    async def body():
        raw = {
            "metadata.store": "etcd",
            "etcd.endpoints": "localhost:1",
            "etcd.ssl.ca.location": "/nowhere/ca.pem",
        }
        with pytest.raises(KvStoreFailed, match="nowhere"):
            await serve(
                build(MetadataSettings, {}),
                build(TopicDefaults, {}),
                asyncio.Event(),
                build(StoreSettings, raw),
            )

    run(body)
