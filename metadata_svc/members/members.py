"""Registration and liveness of gateways and partition services: each lasts as long as its watch.

The newest registration wins. Usually it is the same process after a restart, which must not wait
for its old lease to expire; two live processes with one identity evict each other, and each
eviction is logged.

A gateway that is not alive is removed, so that no client is sent to it. A partition service that is
down stays known at its last address, because its partitions are nowhere else.

After a restart of the metadata service, processes that were alive before are expected back. Until
they have returned, or a lease has passed, no change counts as known to all.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress

from common.cluster.view import ClusterView
from common.kv.store import KvStoreFailed
from common.ports.metadata import ClusterChange, Gateway, Member, Registration
from common.ports.moves import MemberReport, RingState
from common.ports.unavailable import BackendUnavailable, RegistrationRefused
from common.runtime.notifier import Notifier
from metadata_svc.change_log import ChangeLog
from metadata_svc.members.admission import gateway_refusal, refusal, succession_problem
from metadata_svc.members.arrival import is_known, member_arrival
from metadata_svc.members.registration import describe, identity
from metadata_svc.moves.load_reports import LoadReports
from metadata_svc.pauses import Pauses
from metadata_svc.state.member_table import MemberTable
from metadata_svc.state.mutation import Mutation
from metadata_svc.watch.hub import WatchEnded, Watcher, WatchHub

log = logging.getLogger(__name__)


class MemberRegistry:
    """Live gateways and partition services, and those that are expected back."""

    def __init__(  # noqa: PLR0913 - collaborators, passed by name
        self,
        view: ClusterView,
        member_table: MemberTable,
        hub: WatchHub,
        change_log: ChangeLog,
        reports: LoadReports,
        *,
        pauses: Pauses | None = None,
        joins: bool = True,
        on_members_changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`joins`: a partition service that was not known before is in the ring at once.

        `on_members_changed` is called after each registration and each departure.
        """
        self.pauses = pauses or Pauses(lease_ms=0)
        self._view = view
        self._hub = hub
        self._change_log = change_log
        self._watches: dict[str, RegisteredWatch] = {}
        self._member_table = member_table
        self._joins = joins
        self._expected: set[str] = set()
        self._expected_end = 0.0
        self._departures: set[asyncio.Task[None]] = set()
        self._is_stopped = False
        self._reports = reports
        self._on_members_changed = on_members_changed
        self._changes = Notifier()

    @property
    def live_members(self) -> frozenset[str]:
        """Names of the partition services that are alive."""
        registrations = (watch.registration for watch in self._watches.values())
        return frozenset(member.name for member in registrations if isinstance(member, Member))

    @property
    def placeable(self) -> frozenset[str]:
        """Names of members that can own new partitions: in the ring, alive, and accepting appends.

        If none of them accepts appends, all that are in the ring and alive.
        """
        alive = self.live_members & self._member_table.in_state(RingState.JOINED)
        return alive - self._reports.unwritable or alive

    @property
    def live_gateways(self) -> frozenset[int]:
        """Node ids of the gateways that are alive."""
        return frozenset(gateway.node_id for gateway in self._view.gateways)

    def may_be_alive(self, member: str) -> bool:
        """True if a partition service is alive, or is expected back after the start."""
        return f"member/{member}" in self._live_or_expected()

    def expect(self, identities: Collection[str], *, lease_ms: int) -> None:
        """Expects processes that were alive before the start to return within a lease."""
        self._expected = set(identities)
        self._expected_end = asyncio.get_running_loop().time() + lease_ms / 1000

    async def wait_for_expected(self, deadline: float) -> None:
        """Returns when all expected are back, their time is over, or at `deadline` (loop time)."""
        loop = asyncio.get_running_loop()
        while self._expected and (end := min(deadline, self._expected_until())) > loop.time():
            await self._changes.wait_for(lambda: not self._expected, end)

    async def wait_for_owner(self, deadline: float) -> None:
        """Returns when a member can own new partitions, or at `deadline` (loop time)."""
        await self._changes.wait_for(lambda: bool(self.placeable), deadline)

    def notify_all(self) -> None:
        """Wakes the waiting calls: a member came, or may own partitions now."""
        self._changes.notify_all()

    def stop(self, reason: str) -> None:
        """Ends all watches. Live watchers stay stored as alive, and are expected back later."""
        self._is_stopped = True
        for task in self._departures:
            task.cancel()
        self._hub.stop(reason)

    async def register(self, watch: "RegisteredWatch") -> None:
        """Makes `watch` the holder of its registration and a watcher from now on.

        Raises:
            BackendUnavailable: the registration could not be stored.
            RegistrationRefused: its identity or volume belongs to another process.
        """
        try:
            await self._change_log.run_exclusive(lambda: self._register(watch))
        except KvStoreFailed as error:
            raise BackendUnavailable(f"cannot register: {error}") from error

    async def unregister(self, watch: "RegisteredWatch") -> None:
        """Ends a watch, and at once every wait for its acknowledgement.

        After a pause of this process, clients have dropped their connections and are about to
        return. They count as alive until a lease has passed.
        """
        if watch.watcher is not None:
            self._hub.remove(watch.watcher, "closed")
        self.pauses.check()
        if self.pauses.grace_until > asyncio.get_running_loop().time():
            task = asyncio.create_task(self._unregister_after_grace(watch))
            self._departures.add(task)
            task.add_done_callback(self._departures.discard)
        elif not self._is_stopped:
            await self._change_log.run_exclusive(lambda: self._unregister(watch))

    async def _unregister_after_grace(self, watch: "RegisteredWatch") -> None:
        await self.pauses.wait_for_grace()
        if not self._is_stopped:
            with suppress(BackendUnavailable):
                await self._change_log.run_exclusive(lambda: self._unregister(watch))

    def acknowledge(self, watcher: Watcher, revision: int) -> None:
        self._hub.acknowledge(watcher, revision)

    def take_report(self, member: str, report: MemberReport) -> None:
        self._reports.record(member, report, now=asyncio.get_running_loop().time())

    async def _register(self, watch: "RegisteredWatch") -> None:
        own, name = identity(watch.registration), describe(watch.registration)
        self._check(watch.registration)
        if (mutation := self._arrival(watch.registration)) is not None:
            await self._change_log.commit(mutation)
        before = self._watches.get(own)
        if before is not None and before.watcher is not None:
            log.warning("%s: taken over from %s", name, describe(before.registration))
            self._hub.remove(before.watcher, f"registration taken over by {name}")
        watch.watcher = self._hub.add(name)
        self._watches[own] = watch
        self._expected.discard(own)
        self.notify_all()
        self._on_members_changed()
        log.info("%s joined", name)

    async def _unregister(self, watch: "RegisteredWatch") -> None:
        if watch.watcher is not None:
            self._hub.remove(watch.watcher, "closed")
        own, name = identity(watch.registration), describe(watch.registration)
        if self._watches.get(own) is not watch or self._is_stopped:
            return
        del self._watches[own]
        log.info("%s left", name)
        try:
            await self._change_log.commit(self._departure(watch.registration))
        except KvStoreFailed as error:
            log.error("failed to store the departure of %s: %s", name, error)
        self._on_members_changed()

    def _reason_against(self, registration: Registration) -> str | None:
        if isinstance(registration, Member):
            return self._reason_against_member(registration)
        before = self._watches.get(identity(registration))
        if before is None or not isinstance(before.registration, Gateway):
            return None
        return gateway_refusal(before.registration, registration)

    def _reason_against_member(self, member: Member) -> str | None:
        owned, lost = self._member_table.owned(member.name), self._member_table.lost_volumes
        reason = refusal(self._view, member, owned=owned, lost_volumes=lost)
        if reason is not None:
            return reason
        token = self._member_table.volume_tokens.get(member.name)
        problem = succession_problem(self._view, member, token=token)
        if problem is None or member.name not in self._member_table.accepted_volumes:
            return problem
        log.warning("registering a volume that an operator accepted: %s", problem)
        return None

    def _check(self, registration: Registration) -> None:
        reason = self._reason_against(registration)
        if reason is not None:
            log.error("registration refused: %s", reason)
            raise RegistrationRefused(reason)

    def _arrival(self, registration: Registration) -> Mutation | None:
        """Returns the change that a registration makes; None if all of it is known."""
        own = identity(registration)
        live = self._live_or_expected() | {own}
        if isinstance(registration, Gateway):
            knows = self._view.gateway(registration.node_id) == registration
            mutation = Mutation(gateways=[registration], live=live)
        else:
            knows = is_known(self._view, self._member_table, registration)
            mutation = member_arrival(
                self._view, self._member_table, registration, live=live, joins=self._joins
            )
        return None if knows and own in self._live_or_expected() else mutation

    def _departure(self, registration: Registration) -> Mutation:
        live = self._live_or_expected()
        if isinstance(registration, Gateway):
            return Mutation(removed_gateways=[registration.node_id], live=live)
        return Mutation(live=live)

    def _live_or_expected(self) -> set[str]:
        is_time_over = asyncio.get_running_loop().time() >= self._expected_until()
        return set(self._watches) | (set() if is_time_over else self._expected)

    def _expected_until(self) -> float:
        self.pauses.check()
        return max(self._expected_end, self.pauses.grace_until)


class RegisteredWatch:
    """Implements `common.ports.metadata.Watch`; registers when its first change is requested."""

    def __init__(self, members: MemberRegistry, registration: Registration) -> None:
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

    def report(self, report: MemberReport) -> None:
        """Takes a report if the watch is that of a registered member."""
        if isinstance(self.registration, Member) and self.watcher is not None:
            self._members.take_report(self.registration.name, report)

    async def close(self) -> None:
        self._is_closed = True
        await self._members.unregister(self)
