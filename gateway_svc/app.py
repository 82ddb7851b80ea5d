"""The gateway as a process of its own: a server that reaches the other services over gRPC.

Only `__main__` needs this module. The standalone broker, which starts without these clients, has
`server.py` alone.
"""

import asyncio
from functools import partial

from common.client.append.append_call import RejectHandler
from common.client.partition_client import GrpcPartitions
from common.client.partitions import RoutedPartitions
from common.cluster.view import ClusterView
from common.rpc.leader import open_leader_channel
from common.rpc.metadata_client import GrpcMetadata
from common.rpc.server import RpcServer
from gateway_svc.config import GatewaySettings
from gateway_svc.server import GatewayServer


async def serve(settings: GatewaySettings, stop: asyncio.Event) -> None:
    """Runs a gateway that uses services of other processes, until `stop` is set.

    Raises:
        CannotListen: an address of `listeners` is in use.
        AddressInUse: the address `grpc.listen` cannot be bound.
    """
    view = ClusterView()
    partitions = RoutedPartitions(
        view, partial(_connect, settings), hold_s=settings.move_hold_max_ms / 1000
    )
    server = RpcServer([], address=settings.grpc_listen)
    async with open_leader_channel(settings.metadata_address) as channel:
        gateway = GatewayServer(
            settings,
            metadata=GrpcMetadata(channel),
            partitions=partitions,
            coordinators_of=partitions.coordinators_of,
            view=view,
            on_change=partitions.view_changed,
        )
        await server.start()
        try:
            await gateway.bind()
            await gateway.run(stop, server.set_ready)
        finally:
            await partitions.close()
            await server.stop(grace_s=0)


def _connect(
    settings: GatewaySettings, name: str, address: str, reject_handler: RejectHandler | None
) -> GrpcPartitions:
    timeout_s = settings.append_timeout_ms / 1000
    return GrpcPartitions(name, address, reject_handler, append_timeout_s=timeout_s)
