"""`ringlog standalone`: the three services in one process, connected without a network.

Wiring only. The services call each other directly; the process also serves gRPC beside Kafka, so
that all that works with three processes works here too.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from common.cluster.view import ClusterView
from common.config.addresses import bindable, host_and_port, is_wildcard
from common.config.sources import read_settings
from common.kv.store import KvStoreFailed
from common.ports.metadata import ClusterChange
from common.ports.unavailable import RegistrationRefused
from common.rpc.server import AddressInUse, RpcServer, Service
from common.runtime.process import run
from gateway_svc.net.listener import CannotListen
from gateway_svc.net.pipeline import LARGE_BUDGET
from gateway_svc.server import GatewayServer
from metadata_svc.assembly import open_core as open_metadata
from metadata_svc.core import LocalMetadata
from metadata_svc.ring_servicer import publish_health
from metadata_svc.ring_servicer import service as ring_service
from metadata_svc.servicer import service as metadata_service
from partition_svc.app import open_coordinators, run_registered
from partition_svc.app import open_core as open_partitions
from partition_svc.coordinator.runtime.coordinators import OwnedCoordinators
from partition_svc.partitions import LocalPartitions
from partition_svc.rpc.services import PartitionServices
from partition_svc.store.failures import StorageFailed, StoreInUse, WrongCluster
from ringlog.announcement import Addresses, announcement
from ringlog.config import CLASSES, FIXED, Services, settings_of

_PORT_MAX: Final = 65535

_CANNOT_RUN: Final = (
    AddressInUse,
    CannotListen,
    KvStoreFailed,
    RegistrationRefused,
    StorageFailed,
    StoreInUse,
    WrongCluster,
)


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0 after a signal, 1 if it could not run; 2 is for settings."""
    configuration = read_settings(
        "ringlog standalone",
        "A Kafka-compatible broker in one process.",
        CLASSES,
        fixed=FIXED,
        arguments=arguments,
        environment=os.environ,
    )
    services = settings_of(configuration)
    return run(
        "ringlog", lambda stop: serve(services, stop), services.process, cannot_run=_CANNOT_RUN
    )


async def serve(services: Services, stop: asyncio.Event) -> None:
    """Runs the broker until `stop` is set, then drains: first the gateway, last the metadata.

    Raises:
        AddressInUse, CannotListen: an address cannot be bound.
        KvStoreFailed, StorageFailed, StoreInUse, WrongCluster: the data cannot be used.
    """
    view = ClusterView()
    async with (
        open_metadata(services.metadata, services.topic_defaults) as metadata,
        open_partitions(services.partition) as partitions,
        open_coordinators(partitions, services.partition) as coordinators,
    ):
        gateway = GatewayServer(
            services.gateway,
            metadata=metadata,
            partitions=partitions,
            coordinators_of=lambda _: coordinators,
            view=view,
            loop_budget=LARGE_BUDGET,
        )
        await gateway.bind()
        async with _grpc(services, gateway, metadata, partitions, coordinators) as server:

            async def set_ready(ready: bool) -> None:
                await server.set_ready(ready)
                if ready:
                    _announce(services, gateway, server)

            async with _member(services, server, metadata, partitions, stop):
                await gateway.run(stop, set_ready)


@asynccontextmanager
async def _grpc(
    services: Services,
    gateway: GatewayServer,
    metadata: LocalMetadata,
    partitions: LocalPartitions,
    coordinators: OwnedCoordinators,
) -> AsyncIterator[RpcServer]:
    """Runs the gRPC server with all services. Calls in flight are completed before it stops."""
    own = PartitionServices(partitions, coordinators)
    offered = [*own.offered, metadata_service(metadata), ring_service(metadata.ring)]
    server = await _started(offered, services, gateway)
    for service in offered:
        await server.set_serving(service.name, True)
    publish_health(metadata, server)
    try:
        yield server
    finally:
        await own.drain(server, grace_s=services.partition.shutdown_grace_ms / 1000)


async def _started(
    offered: Sequence[Service], services: Services, gateway: GatewayServer
) -> RpcServer:
    """Starts a server on `grpc.listen`; by default on the port after Kafka's, or a free one."""
    host, kafka_port = _kafka_address(gateway, services)
    if services.own.grpc_listen is not None:
        candidates = [services.own.grpc_listen]
    else:
        next_port = kafka_port + 1 if kafka_port < _PORT_MAX else 0
        candidates = [f"{host}:{next_port}", f"{host}:0"]
    while True:
        server = RpcServer(offered, address=candidates.pop(0))
        try:
            await server.start()
        except AddressInUse:
            await server.stop(grace_s=0)
            if not candidates:
                raise
        else:
            return server


@asynccontextmanager
async def _member(
    services: Services,
    server: RpcServer,
    metadata: LocalMetadata,
    partitions: LocalPartitions,
    stop: asyncio.Event,
) -> AsyncIterator[None]:
    """Runs the partitions as a registered member; sets `stop` if they fail.

    Raises:
        WrongCluster: the data is another cluster's.
        RegistrationRefused: the member is registered with another volume.
    """
    has_metadata = asyncio.Event()

    async def on_applied(_: ClusterChange) -> None:
        has_metadata.set()

    async def live_until_failure() -> None:
        try:
            await run_registered(
                partitions,
                services.partition,
                server.port,
                metadata,
                metadata.ring,
                on_applied,
            )
        finally:
            has_metadata.set()
            stop.set()

    living = asyncio.create_task(live_until_failure())
    try:
        await has_metadata.wait()
        yield
    finally:
        living.cancel()
        with suppress(asyncio.CancelledError):
            await living


def _kafka_address(gateway: GatewayServer, services: Services) -> tuple[str, int]:
    """Returns the host of the first listener, and its bound port."""
    first = services.gateway.bound[0]
    port = first.port or gateway.addresses[first.name].port
    return bindable(first.host), port


def _announce(services: Services, gateway: GatewayServer, server: RpcServer) -> None:
    first = next(iter(gateway.addresses.values()))
    host, _ = host_and_port(server.address)
    addresses = Addresses(
        kafka=f"{_local(first.host)}:{first.port}", grpc=f"{_local(host)}:{server.port}"
    )
    sys.stdout.write(announcement(addresses, data_dir=services.own.data_dir))
    sys.stdout.flush()


def _local(host: str) -> str:
    """Returns the host by which processes on this machine reach a bound address."""
    return "localhost" if is_wildcard(host) else bindable(host)
