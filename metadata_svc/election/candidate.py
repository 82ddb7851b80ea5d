"""The metadata service on etcd: campaigns, leads, and exits when it loses the leadership.

A process leads once. Its state in memory is valid only while no other process writes, so a deposed
leader exits; after its restart it is a candidate that reads the state again once it is elected.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping, Sequence

from common.etcd.client import EtcdClient
from common.etcd.election import Election
from common.etcd.leadership import LeadershipLost, LeaderTerm
from common.kv.etcd import EtcdKvStore
from common.kv.store import KvStore, KvStoreFailed
from common.rpc.server import RpcServer, Service
from metadata_svc.core import LocalMetadata
from metadata_svc.election.leader_gate import LeaderGate
from metadata_svc.ring_servicer import publish_health
from metadata_svc.store_config import StoreSettings

log = logging.getLogger(__name__)

#: Time limit for calls in flight when the server stops.
_STOP_GRACE_S = 1.0


class Candidate:
    """One process: a server that rejects calls until this process is elected."""

    def __init__(
        self,
        settings: StoreSettings,
        client: EtcdClient,
        *,
        address: str,
        make_core: Callable[[KvStore], LocalMetadata],
        services: Callable[[LocalMetadata], Sequence[Service]],
    ) -> None:
        self._settings = settings
        self._client = client
        self._store = EtcdKvStore(client, prefix=settings.prefix.encode())
        self._core = make_core(self._store)
        self._services = services(self._core)
        self._gate = LeaderGate()
        self._server = RpcServer(self._services, address=address, interceptors=[self._gate])

    async def run(self, stop: asyncio.Event, *, broker_configs: Mapping[str, str]) -> None:
        """Runs until `stop` is set or the leadership is lost.

        Raises:
            AddressInUse: the server cannot listen on the address.
            LeadershipLost: another process may lead now.
            KvStoreFailed: the state in etcd cannot be read.
        """
        await self._server.start()
        try:
            leadership = await self._campaign(stop)
            if leadership is not None:
                await self._lead(leadership, stop, broker_configs)
        finally:
            await self._core.close()
            await self._server.stop(grace_s=_STOP_GRACE_S)

    async def _campaign(self, stop: asyncio.Event) -> LeaderTerm | None:
        """Returns the term to lead, or None if `stop` was set first."""
        loop = asyncio.get_running_loop()

        def on_standby() -> None:
            # A standby must count as ready, else a rolling update would wait for it forever.
            asyncio.run_coroutine_threadsafe(self._server.set_ready(True), loop)

        prefix = self._settings.prefix.encode()
        name = f"{socket.gethostname()}:{self._server.port}"
        election = Election(self._client, prefix=prefix, name=name, ttl_s=self._settings.ttl_s)
        campaign = asyncio.create_task(asyncio.to_thread(election.campaign, on_standby))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((campaign, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            election.withdraw()
        return await campaign

    async def _lead(
        self, leadership: LeaderTerm, stop: asyncio.Event, broker_configs: Mapping[str, str]
    ) -> None:
        log.info("elected, term %d", leadership.term)
        self._store.lead(leadership)
        try:
            await self._core.open(broker_configs=broker_configs)
            self._gate.open(lambda: leadership.is_held)
            await self._set_health(leads=True)
            publish_health(self._core, self._server)
            await _stopped_or_lost(stop, leadership)
        except KvStoreFailed:
            if not leadership.lost.done():
                raise
        finally:
            # The core is closed before resigning: the next leader may write at once.
            self._gate.close()
            await self._set_health(leads=False)
            await self._core.close()
            await asyncio.to_thread(leadership.resign)
        if leadership.lost.done():
            raise LeadershipLost(f"lost the leadership: {leadership.lost.result()}")

    async def _set_health(self, *, leads: bool) -> None:
        await self._server.set_ready(leads)
        for service in self._services:
            await self._server.set_serving(service.name, leads)


async def _stopped_or_lost(stop: asyncio.Event, leadership: LeaderTerm) -> None:
    """Returns when `stop` is set or the leadership is lost."""
    lost = asyncio.wrap_future(leadership.lost)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((lost, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
