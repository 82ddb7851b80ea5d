"""gRPC server with health checks and reflection.

Health (grpc.health.v1) has two names: "" says that the process is alive, "readiness" that it
accepts work. Reflection is always on, so that tools can call any method by name.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import OVERALL_HEALTH
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from common.rpc.channels import SHARED_OPTIONS
from common.rpc.status import StatusInterceptor

log = logging.getLogger(__name__)

READINESS = "readiness"

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

_SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    *SHARED_OPTIONS,
    # Channels of ringlog ping every 10 s on silent streams; by default gRPC calls that an attack.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    # Two processes on one port would each get half of the calls.
    ("grpc.so_reuseport", 0),
)


class AddressInUse(Exception):
    """Raised when the server cannot bind its address."""


class Service(NamedTuple):
    """Full name of a service ("partition.v1.PartitionService"), and a function that adds it."""

    name: str
    add: Callable[[grpc.aio.Server], None]


class RpcServer:
    """A gRPC server and its services: started, marked ready, stopped."""

    def __init__(
        self,
        services: Sequence[Service],
        *,
        address: str,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    ) -> None:
        """`address` is host:port; port 0 means any free port. `interceptors` see a call first."""
        self.address = address
        self._server = grpc.aio.server(
            options=_SERVER_OPTIONS, interceptors=[*interceptors, StatusInterceptor()]
        )
        self._health = health.HealthServicer()
        self._health_updates: set[asyncio.Task[None]] = set()
        self.port = 0
        for service in services:
            service.add(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [*(service.name for service in services), HEALTH, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, self._server)

    async def start(self) -> None:
        """Binds the address, sets `port` and serves: alive, not ready yet.

        Raises:
            AddressInUse: the address is in use or not one of this machine.
        """
        try:
            self.port = self._server.add_insecure_port(self.address)
        except RuntimeError as error:
            raise AddressInUse(f"cannot listen on {self.address}") from error
        await self.set_ready(False)
        await self._health.set(OVERALL_HEALTH, _SERVING)
        await self._server.start()
        host = self.address.rpartition(":")[0]
        log.info("gRPC on %s:%d", host, self.port)

    async def set_ready(self, ready: bool) -> None:
        """Sets the health of "readiness"."""
        await self._health.set(READINESS, _SERVING if ready else _NOT_SERVING)

    async def set_serving(self, service: str, serving: bool) -> None:
        """Sets the health of one service by its full name; it is unknown before the first call."""
        await self._health.set(service, _SERVING if serving else _NOT_SERVING)

    def set_serving_soon(self, service: str, serving: bool) -> None:
        """Like `set_serving`, for callers that cannot wait. Calls take effect in their order."""
        task = asyncio.get_running_loop().create_task(self.set_serving(service, serving))
        self._health_updates.add(task)
        task.add_done_callback(self._health_updates.discard)

    async def stop(self, *, grace_s: float) -> None:
        """Rejects new calls; cancels those in flight after `grace_s`."""
        await self.set_ready(False)
        await self._server.stop(grace_s)
