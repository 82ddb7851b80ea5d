"""The partition service put together: from settings to a core, and to a server of its own."""

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from common.following import follow
from common.ports.metadata import ClusterChange, Member
from common.rpc.leader import open_leader_channel
from common.rpc.metadata_client import GrpcMetadata
from common.rpc.server import RpcServer
from partition_svc.config import PartitionSettings
from partition_svc.core import PartitionCore
from partition_svc.servicer import PartitionServicer, service
from partition_svc.store.log_store import LogStore

_WILDCARDS = ("", "0.0.0.0", "[::]")  # noqa: S104 - compared with, not bound


@asynccontextmanager
async def open_core(settings: PartitionSettings) -> AsyncIterator[PartitionCore]:
    """A core on the store in `data.dir`, open for as long as the context is.

    Raises:
        StoreInUse: another process has the directory.
        StorageFailed: the store cannot be opened.
    """
    store = await asyncio.to_thread(
        LogStore, Path(settings.data_dir), flush_bytes=settings.flush_bytes
    )
    core = PartitionCore(store, settings)
    core.start()
    try:
        yield core
    finally:
        await core.close()


async def serve(settings: PartitionSettings, stop: asyncio.Event) -> None:
    """Runs the service until `stop` is set; then answers what is in flight and ends.

    Raises:
        StoreInUse, StorageFailed: as `open_core`.
        AddressTaken: nothing can listen on `grpc.listen`.
        WrongCluster: the metadata service is another cluster's than the data here.
        RegistrationRefused: the name is another volume's or process's.
    """
    async with open_core(settings) as core:
        servicer = PartitionServicer(core)
        server = RpcServer([service(servicer)], address=settings.grpc_listen)
        await server.start()
        try:
            await _follow_until(stop, core, server, settings)
        finally:
            await server.set_ready(False)
            servicer.end_streams()
            await core.drain()
            await server.stop(grace_s=settings.shutdown_grace_ms / 1000)


def advertised_address(settings: PartitionSettings, port: int) -> str:
    """Where gateways reach this service, when it listens on `port`."""
    if settings.advertised_address:
        return settings.advertised_address
    host = settings.grpc_listen.rpartition(":")[0]
    return f"{socket.gethostname() if host in _WILDCARDS else host}:{port}"


def registration(settings: PartitionSettings, core: PartitionCore, port: int) -> Member:
    """What this member tells of itself, when it listens on `port`."""
    return Member(settings.member, advertised_address(settings, port), *core.identity)


async def _follow_until(
    stop: asyncio.Event, core: PartitionCore, server: RpcServer, settings: PartitionSettings
) -> None:
    """Is a registered member, ready as soon as it knows the cluster, until `stop` is set."""

    async def on_change(change: ClusterChange) -> None:
        core.apply(change)
        if change.is_snapshot:
            await server.set_ready(True)

    member = registration(settings, core, server.port)
    async with open_leader_channel(settings.metadata_address) as channel:
        running = asyncio.create_task(_run(core, follow(GrpcMetadata(channel), member, on_change)))
        stopping = asyncio.create_task(stop.wait())
        try:
            # Only a change that cannot be applied, or a bug, ends the rest by itself.
            await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def _run(core: PartitionCore, following: Coroutine[Any, Any, NoReturn]) -> None:
    follower = asyncio.create_task(following)
    try:
        await asyncio.gather(follower, core.until_broken())
    finally:
        follower.cancel()
        await asyncio.wait([follower])
