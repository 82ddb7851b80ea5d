from contextlib import asynccontextmanager

from common.rpc.channels import open_channel
from common.rpc.server import RpcServer
from gateway_svc.backends.grpc_coordinators import GrpcCoordinators
from partition_svc.coordinator_servicer import CoordinatorServicer, service
from tests.contracts.coordinators_contract import CoordinatorsContract
from tests.support.groups import running_coordinators


@asynccontextmanager
async def served(coordinators):
    """A channel to a server of `coordinators`."""
    server = RpcServer([service(CoordinatorServicer(coordinators))], address="127.0.0.1:0")
    await server.start()
    channel = open_channel(f"127.0.0.1:{server.port}")
    try:
        yield channel
    finally:
        await channel.close()
        await server.stop(grace_s=0)


class TestCoordinatorsOverGrpc(CoordinatorsContract):
    @asynccontextmanager
    async def opened(self, folder, **settings):
        async with (
            running_coordinators(folder, **settings) as (_, coordinators),
            served(coordinators) as channel,
        ):
            yield GrpcCoordinators("partition-0", channel)
