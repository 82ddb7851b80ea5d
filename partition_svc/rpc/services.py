"""gRPC services of one partition service, and the order in which they drain."""

from common.rpc.server import RpcServer
from partition_svc.coordinator.runtime.coordinators import OwnedCoordinators
from partition_svc.partitions import LocalPartitions
from partition_svc.rpc import coordinator_servicer, moving_servicer, partition_servicer
from partition_svc.rpc.coordinator_servicer import CoordinatorServicer
from partition_svc.rpc.moving_servicer import MovingServicer
from partition_svc.rpc.partition_servicer import PartitionServicer


class PartitionServices:
    """The services for an `RpcServer` (`offered`), which `drain` stops."""

    def __init__(self, core: LocalPartitions, coordinators: OwnedCoordinators) -> None:
        self._core = core
        self._coordinators = coordinators
        self._partitions = PartitionServicer(core)
        self._moving = MovingServicer(core.outgoing)
        self._groups = CoordinatorServicer(coordinators)
        self.offered = [
            partition_servicer.service(self._partitions),
            moving_servicer.service(self._moving),
            coordinator_servicer.service(self._groups),
        ]

    async def drain(self, server: RpcServer, *, grace_s: float) -> None:
        """Answers the calls in flight, then stops the server.

        Group calls end before the logs close: coordinators write their last changes to them.
        """
        await server.set_ready(False)
        self._partitions.end_streams()
        self._moving.end_streams()
        await self._coordinators.drain()
        self._groups.end_streams()
        await self._core.drain()
        await server.stop(grace_s=grace_s)
