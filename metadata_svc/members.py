"""Who is alive: registering and watching are one thing, and last as long as each other.

A registration that is taken again goes to the newest watcher. Mostly that is the same gateway or
partition service after a restart, which must not wait until its own old lease is over; where two
processes really claim one identity they end each other's watches, and the log says so each time.

A gateway that is not alive is gone: no client may be sent to it. A partition service stays known
when it is down, at its last address: its partitions are there and nowhere else, and whoever can
still reach it should.
"""

import logging
from contextlib import suppress

from common.cluster_view import ClusterView
from common.kv.store import StorageFailed
from common.ports.metadata import ClusterChange, Gateway, Member, Registration
from common.ports.unavailable import BackendUnavailable
from metadata_svc.revisions import Difference, Revisions
from metadata_svc.watching import Hub, WatchEnded, Watcher

log = logging.getLogger(__name__)

_Identity = tuple[type[Gateway | Member], int | str]


class Members:
    """Live gateways and partition services, by node id and by name."""

    def __init__(self, view: ClusterView, hub: Hub, revisions: Revisions) -> None:
        self._view = view
        self._hub = hub
        self._revisions = revisions
        self._watches: dict[_Identity, RegisteredWatch] = {}

    @property
    def live_members(self) -> frozenset[str]:
        """Names of the partition services that are alive."""
        members = (one.registration for one in self._watches.values())
        return frozenset(one.name for one in members if isinstance(one, Member))

    @property
    def live_gateways(self) -> frozenset[int]:
        """Node ids of the gateways that are alive."""
        return frozenset(gateway.node_id for gateway in self._view.gateways)

    async def register(self, watch: "RegisteredWatch") -> None:
        """Makes `watch` the holder of its registration and a watcher from now on.

        Raises:
            BackendUnavailable: the registration could not be stored.
        """
        try:
            await self._revisions.alone(lambda: self._register(watch))
        except StorageFailed as error:
            raise BackendUnavailable(f"cannot register: {error}") from error

    async def unregister(self, watch: "RegisteredWatch") -> None:
        """Ends a watch. It is over for whoever waits for acknowledgements at once."""
        if watch.watcher is not None:
            self._hub.remove(watch.watcher, "closed")
        # Unavailable: the service is stopping, and nobody has to be told any more.
        with suppress(BackendUnavailable):
            await self._revisions.alone(lambda: self._unregister(watch))

    def acknowledge(self, watcher: Watcher, revision: int) -> None:
        self._hub.acknowledge(watcher, revision)

    async def _register(self, watch: "RegisteredWatch") -> None:
        registration = watch.registration
        if (difference := self._news(registration)) is not None:
            await self._revisions.commit(difference)
        name = _name(registration)
        before = self._watches.get(_identity(registration))
        if before is not None and before.watcher is not None:
            log.warning("%s: taken over from %s", name, _name(before.registration))
            self._hub.remove(before.watcher, f"registration taken over by {name}")
        watch.watcher = self._hub.add(name)
        self._watches[_identity(registration)] = watch
        log.info("%s joined", name)

    async def _unregister(self, watch: "RegisteredWatch") -> None:
        registration = watch.registration
        if watch.watcher is not None:
            self._hub.remove(watch.watcher, "closed")
        if self._watches.get(_identity(registration)) is not watch:
            return
        del self._watches[_identity(registration)]
        log.info("%s left", _name(registration))
        if isinstance(registration, Gateway):
            await self._forget(registration)

    async def _forget(self, gateway: Gateway) -> None:
        try:
            await self._revisions.commit(Difference(gateways_gone=[gateway.node_id]))
        except StorageFailed as error:
            log.error("cannot store that gateway %d left: %s", gateway.node_id, error)

    def _news(self, registration: Registration) -> Difference | None:
        """What others must learn; None where they know it already."""
        if isinstance(registration, Gateway):
            known = self._view.gateway(registration.node_id) == registration
            return None if known else Difference(gateways=[registration])
        known = self._view.member(registration.name) == registration
        return None if known else Difference(members=[registration])


class RegisteredWatch:
    """Implements `common.ports.metadata.Watch`; registers when it is first asked for a change."""

    def __init__(self, members: Members, registration: Registration) -> None:
        self.registration = registration
        self.watcher: Watcher | None = None
        self._members = members
        self._is_closed = False

    def __aiter__(self) -> "RegisteredWatch":
        return self

    async def __anext__(self) -> ClusterChange:
        if self._is_closed:
            raise StopAsyncIteration
        if self.watcher is None:
            await self._members.register(self)
        assert self.watcher is not None
        try:
            return await self.watcher.next()
        except WatchEnded as end:
            if self._is_closed:
                raise StopAsyncIteration from None
            raise BackendUnavailable(str(end)) from None

    def acknowledge(self, revision: int) -> None:
        if self.watcher is not None:
            self._members.acknowledge(self.watcher, revision)

    async def close(self) -> None:
        self._is_closed = True
        await self._members.unregister(self)


def _identity(registration: Registration) -> _Identity:
    if isinstance(registration, Member):
        return Member, registration.name
    return Gateway, registration.node_id


def _name(registration: Registration) -> str:
    """For log lines: "gateway 0 (127.0.0.1:9092)"."""
    if isinstance(registration, Member):
        return f"partition service {registration.name} ({registration.address})"
    places = ", ".join(f"{one.host}:{one.port}" for one in registration.endpoints)
    return f"gateway {registration.node_id} ({places})"
