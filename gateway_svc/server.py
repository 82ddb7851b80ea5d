"""The gateway server over the ports, which it uses whatever implements them."""

import asyncio
import logging
import socket
from asyncio import FIRST_COMPLETED
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from common.client.groups.coordinators import RoutedCoordinators
from common.client.groups.offsets_topic import OffsetsTopic
from common.cluster.follow import follow
from common.cluster.view import ClusterView
from common.config.addresses import is_wildcard
from common.ports.coordinators import Coordinators
from common.ports.metadata import ClusterChange, Endpoint, Gateway, Metadata
from common.ports.partitions import Partitions
from gateway_svc.config import GatewaySettings, ListenerAddress
from gateway_svc.dispatch.context import Backends
from gateway_svc.dispatch.conversions import Conversions
from gateway_svc.dispatch.dispatcher import Dispatcher
from gateway_svc.dispatch.long_polls import LongPolls
from gateway_svc.dispatch.response_budget import ResponseBudget
from gateway_svc.net.connection import ClientConnection, ConnectionLimits, SharedState
from gateway_svc.net.connections import ClientConnections
from gateway_svc.net.framing import new_scratch
from gateway_svc.net.listener import CannotListen, Listener
from gateway_svc.net.memory_limit import RequestMemory
from gateway_svc.net.pipeline import SMALL_BUDGET, LoopBudget
from gateway_svc.producer_ids import ProducerIdPool
from gateway_svc.routes import ROUTES

log = logging.getLogger(__name__)


class GatewayServer:
    """A gateway over any implementation of the ports. Call `bind`, then `run`.

    It applies the changes of the cluster to `view`, which `partitions` may share.
    """

    def __init__(  # noqa: PLR0913 - its parts, each passed by name
        self,
        settings: GatewaySettings,
        *,
        metadata: Metadata,
        partitions: Partitions,
        coordinators_of: Callable[[str], Coordinators | None],
        view: ClusterView,
        on_change: Callable[[ClusterChange], None] | None = None,
        loop_budget: LoopBudget = SMALL_BUDGET,
    ) -> None:
        """`coordinators_of` returns the coordinators of a partition service, given its name.

        `on_change` is called after each change has been applied to `view`.
        """
        self._settings = settings
        self._metadata = metadata
        self._partitions = partitions
        self._view = view
        self._on_change = on_change
        self._loop_budget = loop_budget
        self._cluster_known = asyncio.Event()
        self._listeners = [Listener(*address) for address in settings.bound]
        self._connections = ClientConnections(
            connections_max=settings.max_connections,
            connections_per_ip_max=settings.max_connections_per_ip,
        )
        self._producer_ids = ProducerIdPool(metadata.allocate_producer_ids)
        self._offsets_topic = OffsetsTopic(
            view, metadata, partition_count=settings.offsets_topic_num_partitions
        )
        self._coordinators = RoutedCoordinators(
            self._offsets_topic, coordinators_of, hold_s=settings.move_hold_max_ms / 1000
        )
        self._long_polls = LongPolls()

    @property
    def addresses(self) -> Mapping[str, ListenerAddress]:
        """The advertised address of each listener, by its name; ports are known after `bind`."""
        bound = (ListenerAddress(each.name, each.host, each.port) for each in self._listeners)
        return {
            address.name: self._settings.advertised(address.name) or address for address in bound
        }

    async def bind(self) -> None:
        """Binds the addresses of all listeners, or none. Raises `CannotListen`."""
        try:
            for listener in self._listeners:
                await listener.bind()
        except CannotListen:
            self.close()
            raise

    def close(self) -> None:
        """Closes the listeners. `run` does so too, at its end."""
        for listener in self._listeners:
            listener.close()

    async def run(self, stop: asyncio.Event, set_ready: Callable[[bool], Awaitable[None]]) -> None:
        """Serves clients, once the cluster is known, until `stop` is set; then drains.

        `set_ready` is called with True when clients may connect, and with False when they must not
        any longer. Raises what `common.cluster.follow.follow` raises.
        """
        stopping = asyncio.create_task(stop.wait())
        following = asyncio.create_task(follow(self._metadata, self._registration(), self._apply))
        known = asyncio.create_task(self._cluster_known.wait())
        try:
            await asyncio.wait((stopping, following, known), return_when=FIRST_COMPLETED)
            if not stopping.done() and not following.done():
                await self._start()
                await set_ready(True)
                await asyncio.wait((stopping, following), return_when=FIRST_COMPLETED)
                await set_ready(False)
        finally:
            # First of all this ends the registration: other gateways send no more clients here.
            await _cancel(following, stopping, known)
            await self._drain()
        if not following.cancelled():
            following.result()

    def _apply(self, change: ClusterChange) -> None:
        self._view.apply(change)
        if self._on_change is not None:
            self._on_change(change)
        self._coordinators.view_changed()
        self._cluster_known.set()

    def _registration(self) -> Gateway:
        endpoints = (
            Endpoint(name, _reachable(address.host), address.port)
            for name, address in self.addresses.items()
        )
        return Gateway(self._settings.node_id, tuple(endpoints), self._settings.broker_rack or None)

    async def _start(self) -> None:
        scratch = new_scratch()
        memory = RequestMemory(self._settings.queued_max_request_bytes, receive_bytes=len(scratch))
        shared = SharedState(
            limits=_limits(self._settings),
            memory=memory,
            scratch=scratch,
            connect=Dispatcher(ROUTES, self._backends(memory)).connect,
            admit=self._connections.admit,
            remove=self._connections.remove,
            loop_budget=self._loop_budget,
        )
        self._connections.start()
        for listener in self._listeners:
            await listener.start(partial(ClientConnection, shared, listener=listener.name))
            host, port = listener.host or "*", listener.port
            log.info("serving Kafka on %s:%d (%s)", host, port, listener.name)

    def _backends(self, memory: RequestMemory) -> Backends:
        return Backends(
            settings=self._settings,
            addresses=self.addresses,
            view=self._view,
            partitions=self._partitions,
            coordinators=self._coordinators,
            offsets_topic=self._offsets_topic,
            metadata=self._metadata,
            producer_ids=self._producer_ids,
            response_budget=ResponseBudget(memory.bytes_max, lambda: memory.used),
            conversions=Conversions(memory.acquire, memory.release),
            long_polls=self._long_polls,
        )

    async def _drain(self) -> None:
        self.close()
        self._long_polls.close()
        await self._connections.drain(grace_s=self._settings.shutdown_grace_ms / 1000)
        self._connections.stop()
        await self._producer_ids.close()
        await self._offsets_topic.close()


def _limits(settings: GatewaySettings) -> ConnectionLimits:
    return ConnectionLimits(
        frame_bytes_max=settings.socket_request_max_bytes,
        request_bytes_max=settings.connection_queued_max_request_bytes,
        idle_s=settings.connections_max_idle_ms / 1000,
        stalled_s=settings.connections_max_stalled_ms / 1000,
        bytes_per_second_min=settings.connections_min_bytes_per_second,
    )


def _reachable(host: str) -> str:
    """Returns `host`, or the machine's name for a wildcard, as clients of other gateways need."""
    return socket.gethostname() if is_wildcard(host) else host


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
