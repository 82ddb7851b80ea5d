import asyncio
from contextlib import asynccontextmanager

import pytest

from common.ports.metadata import NewTopic
from common.ports.unavailable import RegistrationRefused
from common.rpc.channels import open_channel
from common.rpc.server import AddressTaken, RpcServer
from metadata_svc.core import LocalMetadata
from metadata_svc.servicer import service as metadata_service
from metadata_svc.topics.create import Defaults
from partition_svc.app import advertised_address, open_core, serve
from partition_svc.config import PartitionSettings
from partition_svc.store.failures import StoreInUse
from protos.partition.v1 import partition_pb2 as pb
from protos.partition.v1.partition_pb2_grpc import PartitionServiceStub
from tests.support.stores.memory_store import MemoryKvStore
from tests.support.stores.partition_core import batch, until

_LEASE_MS = 10_000


def run(test):
    async def within_limits():
        async with asyncio.timeout(60):
            await test()

    asyncio.run(within_limits())


@asynccontextmanager
async def metadata():
    """A metadata service of a new cluster, and its address."""
    core = LocalMetadata(MemoryKvStore(), defaults=Defaults(1, 1), lease_ms=_LEASE_MS)
    await core.open(broker_configs={})
    server = RpcServer([metadata_service(core)], address="127.0.0.1:0")
    await server.start()
    try:
        yield core, f"127.0.0.1:{server.port}"
    finally:
        await server.stop(grace_s=0)
        await core.close()


def settings(folder, metadata_address="127.0.0.1:1", **more):
    more.setdefault("grpc_listen", "127.0.0.1:0")
    return PartitionSettings(data_dir=str(folder), metadata_address=metadata_address, **more)


@asynccontextmanager
async def serving(core, chosen):
    """The partition service, registered with `core`; a stub that calls it where it says it is."""
    stop = asyncio.Event()
    # One that was here before stays known at its last address.
    before = core.view.members
    running = asyncio.ensure_future(serve(chosen, stop))
    try:
        await until(lambda: core.view.members != before or running.done())
        async with open_channel(core.view.members[0].address) as channel:
            yield PartitionServiceStub(channel)
    finally:
        stop.set()
        await running


async def create(core, name):
    (result,) = await core.create_topics([NewTopic(name, 1, -1)], timeout_ms=30_000)
    assert result.refusal is None, result
    return result.topic_id


def test_it_serves_the_topics_of_its_cluster_until_it_is_stopped(tmp_path):
    async def test():
        async with metadata() as (core, address):
            async with serving(core, settings(tmp_path, address)) as stub:
                topic_id = await create(core, "greetings")
                request = pb.Append(topic_id=topic_id, batch=batch())
                answer = await stub.Append(pb.AppendRequest(appends=[request]))
                assert answer.results[0].WhichOneof("outcome") == "stored"
                topic_id = await create(core, "more")
                described = await stub.DescribeLog(
                    pb.DescribeLogRequest(logs=[pb.LogId(topic_id=topic_id)])
                )
                assert described.logs[0].refusal == pb.REFUSAL_UNSPECIFIED
            async with serving(core, settings(tmp_path, address)) as stub:
                described = await stub.DescribeLog(pb.DescribeLogRequest())
                assert sorted(one.log_end_offset for one in described.logs) == [0, 1]

    run(test)


def test_it_does_not_serve_another_cluster_with_its_data(tmp_path):
    async def test():
        async with metadata() as (core, address), serving(core, settings(tmp_path, address)):
            # Answered when the service has applied it.
            await create(core, "greetings")
        async with metadata() as (_, address):
            with pytest.raises(RegistrationRefused, match="holds data of cluster"):
                await serve(settings(tmp_path, address), asyncio.Event())

    run(test)


def test_it_registers_with_its_volume_and_incarnation(tmp_path):
    async def test():
        async with metadata() as (core, address):
            members = []
            for _ in range(2):
                async with serving(core, settings(tmp_path, address)):
                    members.append(core.view.member("partition-0"))
        assert [one.incarnation for one in members] == [1, 2]
        assert members[0].volume_id == members[1].volume_id != ""

    run(test)


def test_a_registration_that_is_refused_ends_it_and_frees_the_data(tmp_path, monkeypatch):
    class Refusing:
        def __init__(self, _):
            pass

        def watch(self, _):
            return self

        def __aiter__(self):
            raise RegistrationRefused("another volume")

        async def close(self):
            pass

    monkeypatch.setattr("partition_svc.app.GrpcMetadata", Refusing)

    async def test():
        with pytest.raises(RegistrationRefused, match="another volume"):
            await serve(settings(tmp_path), asyncio.Event())
        async with open_core(settings(tmp_path)):
            pass

    run(test)


def test_a_second_service_on_the_same_data_fails(tmp_path):
    async def test():
        async with open_core(settings(tmp_path)):
            with pytest.raises(StoreInUse):
                await serve(settings(tmp_path), asyncio.Event())

    run(test)


def test_an_address_that_is_taken_ends_it_and_frees_the_data(tmp_path):
    async def test():
        async with metadata() as (_, address):
            with pytest.raises(AddressTaken):
                await serve(settings(tmp_path, grpc_listen=address), asyncio.Event())
            async with open_core(settings(tmp_path)):
                pass

    run(test)


def test_it_can_be_stopped_without_a_metadata_service(tmp_path):
    async def test():
        stop = asyncio.Event()
        stop.set()
        await serve(settings(tmp_path), stop)

    run(test)


@pytest.mark.parametrize(
    ("listen", "advertised", "expected"),
    [
        ("127.0.0.1:0", "", "127.0.0.1:5"),
        ("[::1]:0", "", "[::1]:5"),
        ("0.0.0.0:0", "", "this-host:5"),
        ("[::]:0", "", "this-host:5"),
        ("0.0.0.0:0", "partition-0.partition:9292", "partition-0.partition:9292"),
        ("0.0.0.0:0", "10.0.0.7:9292", "10.0.0.7:9292"),
        # As Kubernetes puts a pod's IP before a port, and as it should be.
        ("0.0.0.0:0", "fd00::7:9292", "[fd00::7]:9292"),
        ("0.0.0.0:0", "[fd00::7]:9292", "[fd00::7]:9292"),
    ],
)
def test_it_registers_the_address_that_it_listens_on(monkeypatch, listen, advertised, expected):
    monkeypatch.setattr("socket.gethostname", lambda: "this-host")
    chosen = PartitionSettings(grpc_listen=listen, advertised_address=advertised)
    assert advertised_address(chosen, 5) == expected
