"""The partition service put together: from settings to a core, and to a server of its own."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import AddressValueError, IPv6Address
from pathlib import Path

from common.config.addresses import is_wildcard
from common.ports.metadata import ClusterChange, Member
from common.rpc.leader import open_leader_channel
from common.rpc.member_channel import RefuseOtherMembers
from common.rpc.metadata_client import GrpcMetadata
from common.rpc.ring_client import GrpcRing
from common.rpc.server import RpcServer
from partition_svc.config import PartitionSettings
from partition_svc.coordinator.runtime.coordinators import OwnedCoordinators
from partition_svc.member import live
from partition_svc.partitions import LocalPartitions
from partition_svc.rpc.services import PartitionServices
from partition_svc.store.log_store import LogStore


@asynccontextmanager
async def open_core(settings: PartitionSettings) -> AsyncIterator[LocalPartitions]:
    """A core on the store in `data.dir`, open for as long as the context is.

    Raises:
        StoreInUse: another process has the directory.
        StorageFailed: the store cannot be opened.
    """
    store = await asyncio.to_thread(
        LogStore,
        Path(settings.data_dir),
        flush_bytes=settings.flush_bytes,
        reserve_bytes=settings.reserve_bytes,
    )
    core = LocalPartitions(store, settings)
    core.start()
    try:
        yield core
    finally:
        await core.close()


@asynccontextmanager
async def open_coordinators(
    core: LocalPartitions, settings: PartitionSettings
) -> AsyncIterator[OwnedCoordinators]:
    """Coordinators of the groups whose partitions `core` has; drained when the context ends."""
    coordinators = OwnedCoordinators(
        core, settings.groups, retention_check_ms=settings.offsets_retention_check_ms
    )
    core.on_serving_changed = coordinators.follow
    coordinators.start()
    try:
        yield coordinators
    finally:
        await coordinators.drain()


async def serve(settings: PartitionSettings, stop: asyncio.Event) -> None:
    """Runs the service until `stop` is set; then answers what is in flight and ends.

    Raises:
        StoreInUse, StorageFailed: as `open_core`.
        AddressTaken: nothing can listen on `grpc.listen`.
        WrongCluster: the metadata service is another cluster's than the data here.
        RegistrationRefused: the name is another volume's or process's.
    """
    async with open_core(settings) as core, open_coordinators(core, settings) as coordinators:
        services = PartitionServices(core, coordinators)
        server = RpcServer(
            services.offered,
            address=settings.grpc_listen,
            interceptors=[RefuseOtherMembers(settings.member)],
        )
        await server.start()
        try:
            await _follow_until(stop, core, server, settings)
        finally:
            await services.drain(server, grace_s=settings.shutdown_grace_ms / 1000)


def advertised_address(settings: PartitionSettings, port: int) -> str:
    """Where gateways reach this service, when it listens on `port`."""
    if settings.advertised_address:
        return _with_brackets(settings.advertised_address)
    host = settings.grpc_listen.rpartition(":")[0]
    return f"{socket.gethostname() if is_wildcard(host) else host}:{port}"


def _with_brackets(address: str) -> str:
    """`address` as gRPC takes it: an IPv6 address with a port is [fd00::1]:9292 (RFC 3986)."""
    host, _, port = address.rpartition(":")
    try:
        IPv6Address(host)
    except AddressValueError:
        return address
    return f"[{host}]:{port}"


def registration(settings: PartitionSettings, core: LocalPartitions, port: int) -> Member:
    """What this member tells of itself, when it listens on `port`."""
    return Member(settings.member, advertised_address(settings, port), *core.identity)


async def _follow_until(
    stop: asyncio.Event, core: LocalPartitions, server: RpcServer, settings: PartitionSettings
) -> None:
    """Is a registered member, ready as soon as it knows the cluster, until `stop` is set."""

    async def on_applied(change: ClusterChange) -> None:
        if change.is_snapshot:
            await server.set_ready(True)

    async with open_leader_channel(settings.metadata_address) as channel:
        living = live(
            core,
            registration(settings, core, server.port),
            GrpcMetadata(channel),
            GrpcRing(channel),
            move_bytes_per_second=settings.move_bytes_per_second,
            volume_token_interval_ms=settings.volume_token_interval_ms,
            move_kept_s=settings.move_copy_retention_ms / 1000,
            on_applied=on_applied,
        )
        running = asyncio.create_task(living)
        stopping = asyncio.create_task(stop.wait())
        try:
            # Only a change that cannot be applied, or a bug, ends the rest by itself.
            await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
