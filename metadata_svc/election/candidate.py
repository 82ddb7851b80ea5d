"""The metadata service on etcd: stands by, is elected, leads, and ends when it leads no more.

A process leads once. What it holds in memory is true for as long as nobody else writes, so one
that was deposed does not go on: it ends, and comes back as a candidate that knows nothing.
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
from metadata_svc.ring_servicer import tell_of_moves
from metadata_svc.store_config import StoreSettings

log = logging.getLogger(__name__)

#: How long calls in flight may take to end.
_STOP_GRACE_S = 1.0


class Candidate:
    """One process: a server that refuses until the core behind it leads."""

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
        """Until `stop` is set, or until it leads no more.

        Raises:
            AddressTaken: nothing can listen on the address.
            LeadershipLost: another may lead now.
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
        """None: told to stop."""
        loop = asyncio.get_running_loop()

        def on_standby() -> None:
            # As ready as it can be; else an update would wait for it for ever.
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
            await self._tell(leads=True)
            tell_of_moves(self._core, self._server)
            await _first(stop, leadership)
        except KvStoreFailed:
            if not leadership.lost.done():
                raise
        finally:
            # Nothing is written after the core is closed: another may lead at once.
            self._gate.close()
            await self._tell(leads=False)
            await self._core.close()
            await asyncio.to_thread(leadership.resign)
        if leadership.lost.done():
            raise LeadershipLost(f"no leader any more: {leadership.lost.result()}")

    async def _tell(self, *, leads: bool) -> None:
        await self._server.set_ready(leads)
        for service in self._services:
            await self._server.set_serving(service.name, leads)


async def _first(stop: asyncio.Event, leadership: LeaderTerm) -> None:
    """Returns when `stop` is set, or the leadership lost."""
    lost = asyncio.wrap_future(leadership.lost)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((lost, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
