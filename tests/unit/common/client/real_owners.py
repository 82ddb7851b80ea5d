"""Partition services and a gateway's client of them: real logs, real stores, real gRPC.

The test decides which process receives a change of the cluster, and when.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from common.client.partition_client import GrpcPartitions
from common.client.partitions import RoutedPartitions
from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Member, Placement, Topic
from common.ports.partitions import LogId
from partition_svc.partitions import LocalPartitions
from tests.support.stores.partition_core import CLUSTER_ID, running_core
from tests.unit.common.client.owner import serve_partitions

TOPIC_ID = b"a moving topic -"
#: The first owner of each log has the same index.
LOGS = (LogId(TOPIC_ID, 0), LogId(TOPIC_ID, 1))
NAMES = ("partition-0", "partition-1")


class RealOwners:
    """Two members and `gateway`; at first log n is placed on member n in all views."""

    def __init__(self, folder: Path) -> None:
        self.placements = [Placement(name, 0) for name in NAMES]
        self.cores: dict[str, LocalPartitions] = {}
        self.view = ClusterView()
        self.gateway = RoutedPartitions(self.view, GrpcPartitions)
        self._folder = folder
        self._running: dict[str, AsyncExitStack] = {}
        self._revision = 1

    async def start(self, name: str) -> Member:
        """Starts a member at a new address and returns its registration."""
        stack = self._running[name] = AsyncExitStack()
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        core = await stack.enter_async_context(running_core(folder, self.topic(), member=name))
        self.cores[name] = core
        return Member(name, await stack.enter_async_context(serve_partitions(core)))

    async def stop(self, name: str) -> None:
        await self._running.pop(name).aclose()

    async def close(self) -> None:
        await self.gateway.close()
        for name in tuple(self._running):
            await self.stop(name)

    def topic(self) -> Topic:
        return Topic(TOPIC_ID, "moving", tuple(self.placements))

    def place(self, partition: int, owner: str) -> None:
        """Places a log on another member without a change of any view."""
        before = self.placements[partition]
        self.placements[partition] = Placement(owner, before.leader_epoch + 1)
        self._revision += 1

    def apply_to_member(self, name: str) -> None:
        self.cores[name].apply(self._change())

    def apply_to_gateway(self, *members: Member) -> None:
        change = self._change(*members)
        self.view.apply(change)
        self.gateway.view_changed(change)

    def _change(self, *members: Member) -> ClusterChange:
        return ClusterChange(self._revision, CLUSTER_ID, topics=[self.topic()], members=members)


@asynccontextmanager
async def run_real_owners(folder: Path) -> AsyncIterator[RealOwners]:
    owners = RealOwners(folder)
    try:
        owners.apply_to_gateway(*[await owners.start(name) for name in NAMES])
        yield owners
    finally:
        await owners.close()
