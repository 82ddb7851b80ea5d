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
from tests.support.processes.etcd import elected
from tests.support.processes.ports import ReservedPort
from tests.unit.metadata_svc.test_core import opened_core

SERVING, NOT_SERVING = 1, 2


class Process:
    """`serve` on etcd, as a task."""

    def __init__(self, where):
        self.port = ReservedPort()
        self._stop = asyncio.Event()
        own = build(MetadataSettings, {"grpc.listen": self.port.address})
        serving = serve(own, build(TopicDefaults, {}), self._stop, where)
        self.task = asyncio.create_task(serving)

    async def stop(self):
        self._stop.set()
        with suppress(LeadershipLost):
            await self.task
        self.port.release()

    async def says(self, name):
        """What health says, 0 where nobody is there yet."""
        async with open_channel(self.port.address) as channel:
            with suppress(Exception):
                request = HealthCheckRequest(service=name)
                return (await HealthStub(channel).Check(request, timeout=30)).status
        return 0

    async def until_it_says(self, name, status):
        while await self.says(name) != status:  # noqa: ASYNC110 - health has no better way
            await asyncio.sleep(0.01)


@asynccontextmanager
async def processes(where, count=1):
    started = [Process(where) for _ in range(count)]
    try:
        async with AsyncExitStack() as opened:
            addresses = [one.port.address for one in started]
            channels = [await opened.enter_async_context(open_channel(one)) for one in addresses]
            yield started, GrpcMetadata(LeaderChannel(channels, METADATA))
    finally:
        for one in started:
            await one.stop()


@pytest.fixture
def where(shared_etcd, prefix):
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
    def keep(self, client, prefix):
        self.client, self.prefix = client, prefix

    @asynccontextmanager
    async def opened(self):
        leadership = await asyncio.to_thread(elected, self.client, self.prefix)
        store = EtcdKvStore(self.client, prefix=self.prefix)
        store.lead(leadership)
        async with opened_core(store) as core:
            yield core
        await asyncio.to_thread(leadership.resign)


def test_a_leader_and_its_standbys_are_ready(where):
    async def body():
        async with processes(where) as ([first], _):
            await first.until_it_says(METADATA, SERVING)
            async with processes(where) as ([second], _):
                await second.until_it_says(READINESS, SERVING)
                assert await second.says(METADATA) != SERVING
                assert await second.says("") == SERVING
                assert await first.says(READINESS) == SERVING

    run(body)


def test_the_next_leader_has_the_topics_of_the_last(where):
    async def body():
        async with (
            processes(where, 2) as (both, metadata),
            following(metadata, PARTITION_0) as view,
        ):
            [made] = await metadata.create_topics([NewTopic("t")], timeout_ms=30_000)
            for one in both:
                if await one.says(METADATA) == SERVING:
                    await one.stop()
            [result] = await metadata.create_topics([NewTopic("u")], timeout_ms=30_000)
            assert result.refusal is None
            await until(lambda: view.topic("u"))
            assert view.topic("t").topic_id == made.topic_id

    run(body)


def test_a_leader_whose_key_is_gone_cannot_write_and_ends(where, client, prefix):
    async def body():
        async with processes(where) as ([process], metadata), following(metadata, PARTITION_0):
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


def test_a_state_that_cannot_be_read_ends_the_process_and_the_leadership(where, client, prefix):
    async def body():
        put = pb.PutRequest(key=prefix + b"data/f", value=b"of another release")
        client.transact(pb.TxnRequest(success=[pb.RequestOp(request_put=put)]))
        process = Process(where)
        with pytest.raises(KvStoreFailed, match="of another release"):
            await process.task
        assert not client.range(pb.RangeRequest(key=prefix + b"leader")).kvs
        process.port.release()

    run(body)


def test_a_candidate_can_be_stopped_while_it_waits_for_etcd():
    async def body():
        port = ReservedPort()
        nowhere = {"metadata.store": "etcd", "etcd.endpoints": port.address}
        process = Process(build(StoreSettings, nowhere))
        await process.until_it_says("", SERVING)
        assert await process.says(READINESS) == NOT_SERVING
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
