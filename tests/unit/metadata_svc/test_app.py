import asyncio
import itertools
import sys
from contextlib import suppress

import pytest

from common.config.settings import build
from common.kv.rocks import RocksKvStore
from common.ports.metadata import NewTopic
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import open_channel
from common.rpc.metadata_client import GrpcMetadata
from common.rpc.server import AddressInUse
from metadata_svc.app import serve
from metadata_svc.assembly import open_core
from metadata_svc.config import MetadataSettings, TopicDefaults
from metadata_svc.state.store import StateStore
from tests.contracts.metadata_contract import PARTITION_0, following, gateway, until
from tests.support.processes.ports import ReservedPort
from tests.support.processes.processes import BrokerProcess

KILLS = 4


def settings(tmp_path, **options):
    raw = {name.replace("_", "."): value for name, value in options.items()}
    return build(MetadataSettings, {"data.dir": str(tmp_path), **raw})


def run(body):
    async def bounded():
        async with asyncio.timeout(120):
            await body()

    asyncio.run(bounded())


@pytest.fixture
def start(tmp_path):
    """Starts the service on this test's data; kills the processes at the end of the test."""
    processes = []

    def start_process(address: str, *flags: str) -> BrokerProcess:
        command = [sys.executable, "-m", "metadata_svc", "--data-dir", str(tmp_path)]
        process = BrokerProcess("metadata_svc", [*command, "--grpc-listen", address, *flags])
        processes.append(process)
        return process

    yield start_process
    for process in processes:
        if process.is_running:
            process.kill()


@pytest.fixture
def port():
    reserved = ReservedPort()
    yield reserved
    reserved.release()


def test_an_address_that_is_in_use_is_refused_and_the_store_released(tmp_path):
    async def body():
        defaults = build(TopicDefaults, {})
        async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as other:
            address = f"127.0.0.1:{other.sockets[0].getsockname()[1]}"
            with pytest.raises(AddressInUse):
                await serve(settings(tmp_path, grpc_listen=address), defaults, asyncio.Event())
        async with open_core(settings(tmp_path), defaults):
            pass

    run(body)


def test_a_terminated_process_exits_with_status_0_and_expects_its_watchers_back(
    start, port, tmp_path
):
    async def body():
        process = start(port.address)
        async with (
            open_channel(port.address) as channel,
            following(GrpcMetadata(channel), PARTITION_0),
        ):
            assert await asyncio.to_thread(process.terminate) == 0
            store = RocksKvStore(tmp_path)
            assert StateStore(store).load().live == {"member/partition-0"}
            store.close()

    run(body)


def test_a_second_process_on_the_same_data_logs_the_reason_and_exits_with_status_1(start):
    first = start("127.0.0.1:0")
    first.wait_for_line("gRPC on")
    second = start("127.0.0.1:0")
    assert second.wait_for_exit() == 1
    assert second.lines_with("in use by another process")
    assert first.is_running


def test_an_invalid_setting_ends_the_process_with_status_2_and_its_name(start):
    process = start("127.0.0.1:0", "--set", "num.partitions=0")
    assert process.wait_for_exit() == 2
    assert process.lines_with("num.partitions must be an integer from 1 to")


class Load:
    """Changes metadata without pause; records the acknowledged changes and the uncertain ones."""

    def __init__(self, metadata):
        self._metadata = metadata
        self._numbers = itertools.count()
        self.ids_of_created = {}
        self.deleted = set()
        self.maybe_deleted = set()
        self.blocks = []

    @property
    def acknowledged(self):
        """The smallest number of acknowledged changes of any kind."""
        return min(len(self.ids_of_created), len(self.deleted), len(self.blocks))

    async def create(self):
        name = f"t{next(self._numbers)}"
        [result] = await self._metadata.create_topics([NewTopic(name)], timeout_ms=30_000)
        assert result.refusal is None
        self.ids_of_created[name] = result.topic_id

    async def delete(self):
        names = set(self.ids_of_created) - self.deleted - self.maybe_deleted
        if len(names) > 5:
            name = names.pop()
            self.maybe_deleted.add(name)
            [result] = await self._metadata.delete_topics([name], timeout_ms=30_000)
            assert result.refusal is None
            self.maybe_deleted.discard(name)
            self.deleted.add(name)

    async def allocate(self):
        self.blocks.append(await self._metadata.allocate_producer_ids())

    async def repeat(self, action):
        while True:
            with suppress(BackendUnavailable):
                await action()
            await asyncio.sleep(0)


def test_a_killed_service_loses_no_acknowledged_change_and_repeats_no_producer_id(start, port):
    async def body():
        process = start(port.address)
        revisions, cluster_ids = [], set()
        async with (
            open_channel(port.address) as channel,
            following(GrpcMetadata(channel), PARTITION_0),
            following(GrpcMetadata(channel), gateway(0)) as view,
        ):
            load = Load(GrpcMetadata(channel))
            actions = [load.create, load.create, load.delete, load.allocate]
            tasks = [asyncio.create_task(load.repeat(action)) for action in actions]
            for _ in range(KILLS):
                target = load.acknowledged + 5
                await until(lambda target=target: load.acknowledged >= target)
                process.kill()
                revisions.append(view.revision)
                process = start(port.address)
                cluster_ids.add(view.cluster_id)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            process.kill()
            process = start(port.address)
            # Only the new process can create it, so the view has its snapshot or a later change.
            await load.create()
            check(load, view)
            cluster_ids.add(view.cluster_id)
            revisions.append(view.revision)
        assert len(cluster_ids) == 1
        assert revisions == sorted(set(revisions))

    run(body)


def check(load, view):
    for name, topic_id in load.ids_of_created.items():
        if name not in load.deleted | load.maybe_deleted:
            assert view.topic(name).topic_id == topic_id
    assert not [name for name in load.deleted if view.topic(name) is not None]
    blocks = sorted((block.first, block.first + block.count) for block in load.blocks)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(blocks))
