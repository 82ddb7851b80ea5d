import asyncio
from contextlib import asynccontextmanager

import pytest

from common.cluster.view import ClusterView
from common.ports.metadata import Member, NewTopic
from common.ports.partitions import FetchQuery, FetchResult, Refusal
from gateway_svc.config import GatewaySettings
from gateway_svc.server import GatewayServer
from gateway_svc.wire.apis.describe_cluster import DESCRIBE_CLUSTER, DescribeClusterRequest
from gateway_svc.wire.apis.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from gateway_svc.wire.apis.metadata import METADATA, MetadataRequest
from gateway_svc.wire.codec import decode, encode
from gateway_svc.wire.error_code import ErrorCode
from metadata_svc.core import LocalMetadata
from metadata_svc.topics.create import Defaults
from tests.support.stores.memory_store import MemoryKvStore
from tests.support.stores.partition_core import MEMBER, running_core, until

LONG_POLL_MS = 50_000


def run(scenario) -> None:
    async def within_limits() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(within_limits())


@asynccontextmanager
async def metadata():
    core = LocalMetadata(MemoryKvStore(), defaults=Defaults(1, 1), lease_ms=10_000)
    await core.open(broker_configs={})
    try:
        yield core
    finally:
        await core.close()


class ReadinessRecorder:
    """Records the readiness that a gateway reports."""

    def __init__(self) -> None:
        self.reported: list[bool] = []

    async def set(self, ready: bool) -> None:
        self.reported.append(ready)


@asynccontextmanager
async def running(core, partitions, **settings):
    """Runs a gateway on ports of this process; yields it, its readiness and its stop event."""
    settings.setdefault("listeners", ("PLAINTEXT://127.0.0.1:0",))
    gateway = GatewayServer(
        GatewaySettings(**settings),
        metadata=core,
        partitions=partitions,
        coordinators_of=lambda _: None,
        view=ClusterView(),
    )
    ready, stop = ReadinessRecorder(), asyncio.Event()
    await gateway.bind()
    task = asyncio.create_task(gateway.run(stop, ready.set))
    try:
        yield gateway, ready, stop
    finally:
        stop.set()
        await task


class Client:
    """One connection to a gateway."""

    def __init__(self, reader, writer) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, gateway, listener="PLAINTEXT") -> "Client":
        port = gateway.addresses[listener].port
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, api, request, version) -> None:
        flexible = api.is_flexible(version)
        body = b"".join(encode(request, version, flexible))
        head = api.key.to_bytes(2, "big") + version.to_bytes(2, "big") + b"\0\0\0\x01\xff\xff"
        frame = head + (b"\0" if flexible else b"") + body
        self.writer.write(len(frame).to_bytes(4, "big") + frame)

    async def read(self, api, version):
        flexible = api.is_flexible(version)
        length = int.from_bytes(await self.reader.readexactly(4), "big")
        data = await self.reader.readexactly(length)
        return decode(api.response, data, 5 if flexible else 4, version, flexible)[0]

    async def request(self, api, request, version):
        self.send(api, request, version)
        return await self.read(api, version)

    async def is_closed(self) -> bool:
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True


def test_gateway_serves_clients_after_it_receives_the_cluster_view(tmp_path):
    async def scenario() -> None:
        async with metadata() as core, running_core(tmp_path) as logs:
            listeners = ("INTERNAL://127.0.0.1:0", "EXTERNAL://127.0.0.1:0")
            advertised = ("EXTERNAL://kafka.example:19094",)
            async with running(
                core, logs, listeners=listeners, advertised_listeners=advertised, node_id=4
            ) as (gateway, ready, _):
                await until(lambda: ready.reported == [True])
                (registered,) = core.view.gateways
                assert [
                    (endpoint.listener, endpoint.host) for endpoint in registered.endpoints
                ] == [
                    ("INTERNAL", "127.0.0.1"),
                    ("EXTERNAL", "kafka.example"),
                ]
                client = await Client.connect(gateway, "INTERNAL")
                response = await client.request(METADATA, MetadataRequest(topics=[]), 9)
                assert response.cluster_id == core.view.cluster_id
                assert [
                    (broker.node_id, broker.host, broker.port) for broker in response.brokers
                ] == [(4, "127.0.0.1", gateway.addresses["INTERNAL"].port)]
                client.writer.close()

    run(scenario)


class IdleLogs:
    """Logs without appends."""

    def __init__(self) -> None:
        self.polls = 0

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        if query.max_wait_ms:
            self.polls += 1
            await asyncio.Event().wait()
        return [FetchResult([], 0, 0, 0, 0) for _ in query.partitions]


def test_stopping_gateway_responds_to_long_polls_and_unregisters():
    async def scenario() -> None:
        logs = IdleLogs()
        async with metadata() as core:
            async with running(core, logs) as (gateway, ready, stop):
                await until(lambda: ready.reported == [True])
                await _create(core, "orders")
                client = await Client.connect(gateway)
                client.send(FETCH, _poll("orders"), 11)
                await until(lambda: logs.polls == 1)
                stop.set()
                response = await client.read(FETCH, 11)
                assert response.responses[0].partitions[0].error_code == 0
                assert await client.is_closed()
                client.writer.close()
            assert ready.reported == [True, False]
            assert core.view.gateways == ()

    run(scenario)


async def _create(core: LocalMetadata, name: str) -> None:
    """Creates a topic, owned by a member that acknowledges every change."""
    watch = core.watch(Member(MEMBER, "127.0.0.1:1"))

    async def acknowledge_changes() -> None:
        async for change in watch:
            watch.acknowledge(change.revision)

    acknowledging = asyncio.create_task(acknowledge_changes())
    await until(lambda: bool(core.view.members))
    (result,) = await core.create_topics([NewTopic(name)], timeout_ms=20_000)
    assert result.refusal is None
    acknowledging.cancel()
    await asyncio.wait([acknowledging])
    await watch.close()


def _poll(name: str) -> FetchRequest:
    partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)
    return FetchRequest(
        max_wait_ms=LONG_POLL_MS,
        min_bytes=1,
        topics=[FetchTopic(topic=name, partitions=[partition])],
    )


def _poll_by_id(topic_id: bytes) -> FetchRequest:
    partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)
    topics = [FetchTopic(topic_id=topic_id, partitions=[partition])]
    return FetchRequest(max_wait_ms=0, min_bytes=1, topics=topics)


class UnreachableMetadata:
    """A metadata service that cannot be reached."""

    def watch(self, registration):
        return self

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.Event().wait()

    def acknowledge(self, revision):
        raise AssertionError

    async def close(self):
        pass

    async def allocate_producer_ids(self):
        raise AssertionError


def test_gateway_without_a_cluster_view_serves_no_clients_and_can_stop():
    async def scenario() -> None:
        async with running(UnreachableMetadata(), None) as (gateway, ready, _):
            await asyncio.sleep(0)
            with pytest.raises(ConnectionRefusedError):
                await Client.connect(gateway)
        assert ready.reported == []

    run(scenario)


class BrokenWatch(UnreachableMetadata):
    """Sends a change that cannot be applied."""

    async def __anext__(self):
        return None


def test_invalid_cluster_change_stops_the_gateway():
    async def scenario() -> None:
        with pytest.raises(AttributeError):
            async with running(BrokenWatch(), None):
                pass

    run(scenario)


def two_listeners(node_id: int) -> dict[str, object]:
    """Settings of two listeners: INTERNAL with its own address, EXTERNAL with an advertised one."""
    return {
        "node_id": node_id,
        "broker_rack": f"rack-{node_id}",
        "listeners": ("INTERNAL://127.0.0.1:0", "EXTERNAL://127.0.0.1:0"),
        "advertised_listeners": (
            f"INTERNAL://gateway-{node_id}.cluster:9092",
            f"EXTERNAL://kafka.example:{9094 + node_id}",
        ),
    }


def internal_address(node_id: int) -> tuple[object, ...]:
    return (node_id, f"gateway-{node_id}.cluster", 9092, f"rack-{node_id}")


def external_address(node_id: int) -> tuple[object, ...]:
    return (node_id, "kafka.example", 9094 + node_id, f"rack-{node_id}")


class NoOwners:
    """Partitions that have no owner."""

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        return [FetchResult(refusal=Refusal.NOT_OWNER) for _ in query.partitions]


@pytest.mark.parametrize(
    ("listener", "address"),
    [("INTERNAL", internal_address), ("EXTERNAL", external_address)],
    ids=["internal", "external"],
)
def test_clients_get_the_addresses_of_all_gateways_for_their_listener(listener, address):
    async def scenario() -> None:
        async with (
            metadata() as core,
            running(core, NoOwners(), **two_listeners(0)) as (first, _, _),
            running(core, NoOwners(), **two_listeners(1)) as (second, _, _),
        ):
            await until(lambda: len(core.view.gateways) == 2)
            await _create(core, "t")
            for gateway in (first, second):
                bound = next(bound for bound in gateway._listeners if bound.name == listener)
                client = Client(*await asyncio.open_connection("127.0.0.1", bound.port))
                listed = await client.request(METADATA, MetadataRequest(topics=None), 12)
                assert [
                    (broker.node_id, broker.host, broker.port, broker.rack)
                    for broker in listed.brokers
                ] == [
                    address(0),
                    address(1),
                ]
                described = await client.request(DESCRIBE_CLUSTER, DescribeClusterRequest(), 0)
                assert [
                    (broker.broker_id, broker.host, broker.port, broker.rack)
                    for broker in described.brokers
                ] == [address(0), address(1)]
                fetched = await client.request(FETCH, _poll_by_id(listed.topics[0].topic_id), 16)
                (partition,) = fetched.responses[0].partitions
                assert partition.error_code is ErrorCode.NOT_LEADER_OR_FOLLOWER
                leader = address(partition.current_leader.leader_id)
                assert [
                    (endpoint.node_id, endpoint.host, endpoint.port, endpoint.rack)
                    for endpoint in fetched.node_endpoints
                ] == [leader]
                client.writer.close()

    run(scenario)
