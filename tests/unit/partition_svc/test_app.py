import asyncio
from contextlib import asynccontextmanager

import pytest

from common.ports.metadata import NewTopic
from common.ports.unavailable import RegistrationRefused
from common.rpc.channels import open_channel
from common.rpc.server import AddressInUse, RpcServer
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
async def run_metadata():
    """Runs a metadata service of a new cluster; yields it and its address."""
    core = LocalMetadata(MemoryKvStore(), defaults=Defaults(1, 1), lease_ms=_LEASE_MS)
    await core.open(broker_configs={})
    server = RpcServer([metadata_service(core)], address="127.0.0.1:0")
    await server.start()
    try:
        yield core, f"127.0.0.1:{server.port}"
    finally:
        await server.stop(grace_s=0)
        await core.close()


def settings_for(folder, metadata_address="127.0.0.1:1", **options):
    options.setdefault("grpc_listen", "127.0.0.1:0")
    return PartitionSettings(data_dir=str(folder), metadata_address=metadata_address, **options)


@asynccontextmanager
async def run_service(core, settings):
    """Runs the partition service, registered with `core`; yields a stub for its address."""
    stop = asyncio.Event()
    # A member that ran before stays in the view at its last address.
    before = core.view.members
    running = asyncio.ensure_future(serve(settings, stop))
    try:
        await until(lambda: core.view.members != before or running.done())
        async with open_channel(core.view.members[0].address) as channel:
            yield PartitionServiceStub(channel)
    finally:
        stop.set()
        await running


async def create_topic(core, name):
    (result,) = await core.create_topics([NewTopic(name, 1, -1)], timeout_ms=30_000)
    assert result.refusal is None, result
    return result.topic_id


def test_service_serves_the_topics_of_its_cluster_until_stopped(tmp_path):
    async def test():
        async with run_metadata() as (core, address):
            async with run_service(core, settings_for(tmp_path, address)) as stub:
                topic_id = await create_topic(core, "greetings")
                request = pb.Append(topic_id=topic_id, batch=batch())
                response = await stub.Append(pb.AppendRequest(appends=[request]))
                assert response.results[0].WhichOneof("outcome") == "stored"
                topic_id = await create_topic(core, "more")
                described = await stub.DescribeLog(
                    pb.DescribeLogRequest(logs=[pb.LogId(topic_id=topic_id)])
                )
                assert described.logs[0].refusal == pb.REFUSAL_UNSPECIFIED
            async with run_service(core, settings_for(tmp_path, address)) as stub:
                described = await stub.DescribeLog(pb.DescribeLogRequest())
                assert sorted(log.log_end_offset for log in described.logs) == [0, 1]

    run(test)


def test_service_does_not_serve_another_cluster_with_its_data(tmp_path):
    async def test():
        async with (
            run_metadata() as (core, address),
            run_service(core, settings_for(tmp_path, address)),
        ):
            # The response comes when the service has applied the change.
            await create_topic(core, "greetings")
        async with run_metadata() as (_, address):
            with pytest.raises(RegistrationRefused, match="holds data of cluster"):
                await serve(settings_for(tmp_path, address), asyncio.Event())

    run(test)


def test_service_registers_with_its_volume_and_incarnation(tmp_path):
    async def test():
        async with run_metadata() as (core, address):
            members = []
            for _ in range(2):
                async with run_service(core, settings_for(tmp_path, address)):
                    members.append(core.view.member("partition-0"))
        assert [member.incarnation for member in members] == [1, 2]
        assert members[0].volume_id == members[1].volume_id != ""

    run(test)


def test_refused_registration_ends_the_service_and_unlocks_the_data(tmp_path, monkeypatch):
    class RefusingMetadata:
        def __init__(self, _):
            pass

        def watch(self, _):
            return self

        def __aiter__(self):
            raise RegistrationRefused("another volume")

        async def close(self):
            pass

    monkeypatch.setattr("partition_svc.app.GrpcMetadata", RefusingMetadata)

    async def test():
        with pytest.raises(RegistrationRefused, match="another volume"):
            await serve(settings_for(tmp_path), asyncio.Event())
        async with open_core(settings_for(tmp_path)):
            pass

    run(test)


def test_a_second_service_on_the_same_data_fails(tmp_path):
    async def test():
        async with open_core(settings_for(tmp_path)):
            with pytest.raises(StoreInUse):
                await serve(settings_for(tmp_path), asyncio.Event())

    run(test)


def test_address_in_use_ends_the_service_and_unlocks_the_data(tmp_path):
    async def test():
        async with run_metadata() as (_, address):
            with pytest.raises(AddressInUse):
                await serve(settings_for(tmp_path, grpc_listen=address), asyncio.Event())
            async with open_core(settings_for(tmp_path)):
                pass

    run(test)


def test_service_can_be_stopped_without_a_metadata_service(tmp_path):
    async def test():
        stop = asyncio.Event()
        stop.set()
        await serve(settings_for(tmp_path), stop)

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
        # IPv6 without brackets, as a port appended to a pod IP of Kubernetes, and with brackets.
        ("0.0.0.0:0", "fd00::7:9292", "[fd00::7]:9292"),
        ("0.0.0.0:0", "[fd00::7]:9292", "[fd00::7]:9292"),
    ],
)
def test_service_registers_the_address_on_which_it_listens(
    monkeypatch, listen, advertised, expected
):
    monkeypatch.setattr("socket.gethostname", lambda: "this-host")
    settings = PartitionSettings(grpc_listen=listen, advertised_address=advertised)
    assert advertised_address(settings, 5) == expected
