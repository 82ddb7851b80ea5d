"""Assembles the partition service: from settings to its logs, and to a gRPC server."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import AddressValueError, IPv6Address
from pathlib import Path

from common.config.addresses import is_wildcard
from common.ports.metadata import ClusterChange, Member, Metadata
from common.ports.moves import Ring
from common.rpc.leader import open_leader_channel
from common.rpc.member_channel import MemberNameInterceptor
from common.rpc.metadata_client import GrpcMetadata
from common.rpc.ring_client import GrpcRing
from common.rpc.server import RpcServer
from partition_svc.config import PartitionSettings
from partition_svc.coordinator.runtime.coordinators import OwnedCoordinators
from partition_svc.member import OnApplied, run_member
from partition_svc.partitions import LocalPartitions
from partition_svc.rpc.services import PartitionServices
from partition_svc.store.log_store import LogStore


@asynccontextmanager
async def open_core(settings: PartitionSettings) -> AsyncIterator[LocalPartitions]:
    """Opens the logs in `data.dir` for the duration of the context.

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
    """Coordinators of the groups whose partitions `core` owns; drained when the context ends."""
    coordinators = OwnedCoordinators(
        core, settings.groups, retention_check_ms=settings.offsets_retention_check_ms
    )
    core.serving_changed.subscribe(coordinators.follow)
    coordinators.start()
    try:
        yield coordinators
    finally:
        await coordinators.drain()


async def serve(settings: PartitionSettings, stop: asyncio.Event) -> None:
    """Runs the service until `stop` is set; then finishes requests in flight and ends.

    Raises:
        StoreInUse, StorageFailed: as `open_core`.
        AddressInUse: `grpc.listen` is in use.
        WrongCluster: the metadata service belongs to another cluster than the data here.
        RegistrationRefused: the name belongs to another volume or process.
    """
    async with open_core(settings) as core, open_coordinators(core, settings) as coordinators:
        services = PartitionServices(core, coordinators)
        server = RpcServer(
            services.offered,
            address=settings.grpc_listen,
            interceptors=[MemberNameInterceptor(settings.member)],
        )
        await server.start()
        try:
            await _follow_until(stop, core, server, settings)
        finally:
            await services.drain(server, grace_s=settings.shutdown_grace_ms / 1000)


def advertised_address(settings: PartitionSettings, port: int) -> str:
    """Address at which gateways reach this service when it listens on `port`."""
    if settings.advertised_address:
        return _with_brackets(settings.advertised_address)
    host = settings.grpc_listen.rpartition(":")[0]
    return f"{socket.gethostname() if is_wildcard(host) else host}:{port}"


def _with_brackets(address: str) -> str:
    """`address` in gRPC's syntax: an IPv6 address with a port is [fd00::1]:9292 (RFC 3986)."""
    host, _, port = address.rpartition(":")
    try:
        IPv6Address(host)
    except AddressValueError:
        return address
    return f"[{host}]:{port}"


def registration(settings: PartitionSettings, core: LocalPartitions, port: int) -> Member:
    """Registration of this member when it listens on `port`."""
    return Member(settings.member, advertised_address(settings, port), *core.identity[:3])


async def run_registered(  # noqa: PLR0913 - collaborators
    core: LocalPartitions,
    settings: PartitionSettings,
    port: int,
    metadata: Metadata,
    ring: Ring,
    on_applied: OnApplied,
) -> None:
    """Runs the member that listens on `port`; see `run_member`."""
    await run_member(
        core,
        registration(settings, core, port),
        metadata,
        ring,
        move_bytes_per_second=settings.move_bytes_per_second,
        volume_token_interval_ms=settings.volume_token_interval_ms,
        move_kept_s=settings.move_copy_retention_ms / 1000,
        on_applied=on_applied,
    )


async def _follow_until(
    stop: asyncio.Event, core: LocalPartitions, server: RpcServer, settings: PartitionSettings
) -> None:
    """Runs the member until `stop` is set. It is ready once it has applied a snapshot."""

    async def on_applied(change: ClusterChange) -> None:
        if change.is_snapshot:
            await server.set_ready(True)

    async with open_leader_channel(settings.metadata_address) as channel:
        running = asyncio.create_task(
            run_registered(
                core, settings, server.port, GrpcMetadata(channel), GrpcRing(channel), on_applied
            )
        )
        stopping = asyncio.create_task(stop.wait())
        try:
            # The member ends by itself only with a change that it cannot apply, or a bug.
            await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
