import asyncio
from contextlib import asynccontextmanager

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from common.ports.unavailable import RegistrationRefused
from common.rpc.channels import open_channel
from common.rpc.server import AddressInUse, RpcServer
from gateway_svc.app import serve
from gateway_svc.config import GatewaySettings
from gateway_svc.net.listener import CannotListen
from metadata_svc.core import LocalMetadata
from metadata_svc.servicer import service as metadata_service
from metadata_svc.topics.create import Defaults
from tests.support.processes.ports import ReservedPort
from tests.support.stores.memory_store import MemoryKvStore
from tests.support.stores.partition_core import until


def run(scenario) -> None:
    async def within_limits() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(within_limits())


@asynccontextmanager
async def served_metadata():
    core = LocalMetadata(MemoryKvStore(), defaults=Defaults(1, 1), lease_ms=10_000)
    await core.open(broker_configs={})
    server = RpcServer([metadata_service(core)], address="127.0.0.1:0")
    await server.start()
    try:
        yield core, f"127.0.0.1:{server.port}"
    finally:
        await server.stop(grace_s=0)
        await core.close()


def test_gateway_process_is_ready_when_it_serves():
    async def scenario() -> None:
        port, grpc_port = ReservedPort(), ReservedPort()
        async with served_metadata() as (core, address):
            settings = GatewaySettings(
                listeners=(f"PLAINTEXT://{port.address}",),
                grpc_listen=grpc_port.address,
                metadata_address=address,
            )
            stop = asyncio.Event()
            process = asyncio.create_task(serve(settings, stop))
            await until(lambda: bool(core.view.gateways) or process.done())
            async with open_channel(grpc_port.address) as channel:
                health = health_pb2_grpc.HealthStub(channel)
                request = health_pb2.HealthCheckRequest(service="readiness")
                watching = health.Watch(request)
                async for response in watching:
                    if response.status == health_pb2.HealthCheckResponse.SERVING:
                        break
                watching.cancel()
            stop.set()
            await process
        port.release()
        grpc_port.release()

    run(scenario)


def test_addresses_in_use_are_rejected():
    async def scenario() -> None:
        port = ReservedPort()
        blocker = await asyncio.start_server(lambda *_: None, sock=None, host="127.0.0.1", port=0)
        address_in_use = f"127.0.0.1:{blocker.sockets[0].getsockname()[1]}"
        kafka_in_use = GatewaySettings(
            listeners=(f"A://{address_in_use}",), grpc_listen=port.address
        )
        with pytest.raises(CannotListen):
            await serve(kafka_in_use, asyncio.Event())
        grpc_in_use = GatewaySettings(listeners=("A://127.0.0.1:0",), grpc_listen=address_in_use)
        with pytest.raises(AddressInUse):
            await serve(grpc_in_use, asyncio.Event())
        blocker.close()
        port.release()

    run(scenario)


def test_second_gateway_with_the_same_node_id_fails_with_the_reason():
    async def scenario() -> None:
        async with served_metadata() as (core, address):
            stop, grpc_ports = asyncio.Event(), [ReservedPort(), ReservedPort()]
            first, second = (
                GatewaySettings(
                    node_id=3,
                    listeners=("PLAINTEXT://127.0.0.1:0",),
                    grpc_listen=port.address,
                    metadata_address=address,
                )
                for port in grpc_ports
            )
            serving = asyncio.create_task(serve(first, stop))
            await until(lambda: bool(core.view.gateways) or serving.done())
            with pytest.raises(RegistrationRefused, match="node id 3 is taken by gateway 3"):
                await serve(second, asyncio.Event())
            assert not serving.done()
            stop.set()
            await serving
            for port in grpc_ports:
                port.release()

    run(scenario)
