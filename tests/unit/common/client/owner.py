"""A partition service for tests of its client: real logs, served over real gRPC."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Member, Topic
from common.ports.partitions import Partitions
from common.rpc.server import RpcServer
from partition_svc.rpc.partition_servicer import PartitionServicer, service
from tests.support.stores.partition_core import CLUSTER_ID, MEMBER, running_core, topic


@asynccontextmanager
async def serve_partitions(
    partitions: Partitions, *, address: str = "127.0.0.1:0"
) -> AsyncIterator[str]:
    """Serves `partitions` over gRPC and yields the address."""
    servicer = PartitionServicer(partitions)
    server = RpcServer([service(servicer)], address=address)
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.stop(grace_s=0)


@asynccontextmanager
async def run_owner(folder: Path, *topics: Topic) -> AsyncIterator[str]:
    """Runs a partition service that owns `topics` and yields its address."""
    async with running_core(folder, *topics) as core, serve_partitions(core) as address:
        yield address


def view_of(*topics: Topic, **addresses: str) -> ClusterView:
    """Returns a view of `topics`, with members at `addresses` (names with _ for -)."""
    members = [Member(name.replace("_", "-"), address) for name, address in addresses.items()]
    view = ClusterView()
    view.apply(
        ClusterChange(1, CLUSTER_ID, is_snapshot=True, topics=topics or (topic(),), members=members)
    )
    return view


assert MEMBER == "partition-0"  # `view_of(partition_0=...)` names it
