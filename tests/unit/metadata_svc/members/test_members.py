import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from common.cluster.view import ClusterView
from common.kv.store import KvStoreFailed
from common.ports.metadata import ClusterChange, Endpoint, Gateway, Member
from common.ports.moves import MemberReport, RingState
from common.ports.unavailable import BackendUnavailable, RegistrationRefused
from metadata_svc.change_log import ChangeLog
from metadata_svc.members.members import MemberRegistry, RegisteredWatch
from metadata_svc.moves.load_reports import LoadReports
from metadata_svc.state.member_table import MemberTable
from metadata_svc.state.mutation import Mutation
from metadata_svc.state.store import StateStore
from metadata_svc.watch.hub import WatchHub
from tests.support.stores.memory_store import MemoryKvStore

GATEWAY = Gateway(0, (Endpoint("PLAINTEXT", "h", 1),))
MEMBER = Member("p", "a:1")


class Store(MemoryKvStore):
    is_broken = False

    def write(self, batch, *, sync):
        if self.is_broken:
            raise KvStoreFailed("broken")
        super().write(batch, sync=sync)


class RecordedReports(LoadReports):
    """Records reports in `events`, in order with other events."""

    def __init__(self, view, events):
        super().__init__(view)
        self.events = events

    def record(self, member, report, *, now):
        self.events.append((member, report))
        super().record(member, report, now=now)


class Cluster:
    def __init__(self):
        self.store = Store()
        self.view = ClusterView()
        self.hub = WatchHub(self.view)
        self.member_table = MemberTable()
        self.change_log = ChangeLog(StateStore(self.store), self.view, self.member_table, self.hub)
        self.events = []
        self.members = self.new_registry()

    def new_registry(self, *, joins=True):
        return MemberRegistry(
            self.view,
            self.member_table,
            self.hub,
            self.change_log,
            RecordedReports(self.view, self.events),
            joins=joins,
            on_members_changed=lambda: self.events.append("members changed"),
        )

    async def join(self, registration):
        watch = RegisteredWatch(self.members, registration)
        await anext(watch)
        return watch


@asynccontextmanager
async def open_cluster():
    cluster = Cluster()
    await cluster.change_log.load()
    cluster.view.apply(ClusterChange(revision=0, cluster_id="c", is_snapshot=True))
    yield cluster
    await cluster.change_log.close()


def run(body):
    async def bounded():
        async with asyncio.timeout(60), open_cluster() as cluster:
            await body(cluster)

    asyncio.run(bounded())


def test_a_watcher_is_alive_until_its_watch_is_closed():
    async def body(cluster):
        gateway, member = await cluster.join(GATEWAY), await cluster.join(MEMBER)
        assert cluster.members.live_gateways == {0}
        assert cluster.members.live_members == {"p"}
        await gateway.close()
        await member.close()
        assert cluster.members.live_gateways == set()
        assert cluster.members.live_members == set()
        assert cluster.view.members == (MEMBER,)

    run(body)


def test_live_identities_are_stored_at_each_registration_and_departure():
    async def body(cluster):
        async def stored_live():
            return (await cluster.change_log.load()).live

        gateway = await cluster.join(GATEWAY)
        member = await cluster.join(MEMBER)
        assert await stored_live() == {"gateway/0", "member/p"}
        await gateway.close()
        assert await stored_live() == {"member/p"}
        await member.close()
        assert await stored_live() == set()
        await cluster.join(MEMBER)
        assert await stored_live() == {"member/p"}

    run(body)


def test_a_takeover_of_an_equal_registration_changes_nothing():
    async def body(cluster):
        await cluster.join(MEMBER)
        revision = cluster.view.revision
        await cluster.join(MEMBER)
        assert cluster.view.revision == revision

    run(body)


def far_deadline():
    return asyncio.get_running_loop().time() + 60


def test_wait_for_expected_ends_when_all_processes_alive_before_the_restart_are_back():
    async def body(cluster):
        cluster.members.expect({"gateway/0", "member/p"}, lease_ms=60_000)
        waiting = asyncio.create_task(cluster.members.wait_for_expected(far_deadline()))
        await cluster.join(GATEWAY)
        await cluster.join(Gateway(1, GATEWAY.endpoints))
        assert not waiting.done()
        await cluster.join(MEMBER)
        await waiting

    run(body)


def test_a_wait_for_expected_members_ends_with_the_lease_or_the_deadline():
    async def body(cluster):
        now = asyncio.get_running_loop().time()
        cluster.members.expect({"gateway/0"}, lease_ms=60_000)
        await cluster.members.wait_for_expected(now)
        cluster.members.expect({"gateway/0"}, lease_ms=1)
        await cluster.members.wait_for_expected(far_deadline())

    run(body)


def test_expected_members_stay_stored_until_the_lease_is_over():
    async def body(cluster):
        cluster.members.expect({"gateway/0"}, lease_ms=60_000)
        await cluster.join(MEMBER)
        assert (await cluster.change_log.load()).live == {"gateway/0", "member/p"}
        cluster.members.expect({"gateway/0"}, lease_ms=0)
        await cluster.join(Gateway(1, GATEWAY.endpoints))
        assert (await cluster.change_log.load()).live == {"gateway/1", "member/p"}

    run(body)


def test_wait_for_owner_ends_with_a_member_or_at_the_deadline():
    async def body(cluster):
        await cluster.members.wait_for_owner(asyncio.get_running_loop().time())
        waiting = asyncio.create_task(cluster.members.wait_for_owner(far_deadline()))
        await cluster.join(GATEWAY)
        assert not waiting.done()
        await cluster.join(MEMBER)
        await waiting

    run(body)


def test_the_old_holder_of_a_registration_cannot_end_it_for_the_new_one(caplog):
    async def body(cluster):
        old = await cluster.join(GATEWAY)
        moved = replace(GATEWAY, rack="other")
        await cluster.join(moved)
        with pytest.raises(BackendUnavailable, match="taken over"):
            await anext(old)
        await old.close()
        assert cluster.members.live_gateways == {0}
        assert cluster.view.gateway(0) == moved

    run(body)
    assert "gateway 0 (h:1): taken over from gateway 0 (h:1)" in caplog.text


def test_a_second_gateway_with_the_node_id_of_a_live_one_is_refused(caplog):
    async def body(cluster):
        first = await cluster.join(GATEWAY)
        other = Gateway(0, (Endpoint("PLAINTEXT", "other", 1),))
        with pytest.raises(RegistrationRefused, match=r"node id 0 is taken by gateway 0 \(h:1\)"):
            await cluster.join(other)
        assert cluster.view.gateway(0) == GATEWAY
        await first.close()
        await cluster.join(other)
        assert cluster.view.gateway(0) == other

    run(body)
    assert "gateway 0 (other:1) needs another node.id" in caplog.text


def test_a_registration_that_cannot_be_stored_fails_and_leaves_no_watch():
    async def body(cluster):
        cluster.store.is_broken = True
        watch = RegisteredWatch(cluster.members, MEMBER)
        with pytest.raises(BackendUnavailable, match="broken"):
            await anext(watch)
        await watch.close()
        assert cluster.members.live_members == set()
        assert await cluster.hub.wait_all_acknowledged(2**40, deadline=far_deadline())

    run(body)


def test_a_gateway_whose_departure_cannot_be_stored_is_not_waited_for(caplog):
    async def body(cluster):
        watch = await cluster.join(GATEWAY)
        cluster.store.is_broken = True
        await watch.close()
        assert await cluster.hub.wait_all_acknowledged(2**40, deadline=far_deadline())

    run(body)
    assert "failed to store the departure of gateway 0 (h:1)" in caplog.text


def test_watchers_at_a_stop_count_as_alive_at_the_next_start():
    async def body(cluster):
        watch = await cluster.join(GATEWAY)
        cluster.members.stop("stopping")
        with pytest.raises(BackendUnavailable, match="stopping"):
            await anext(watch)
        await watch.close()
        assert (await cluster.change_log.load()).live == {"gateway/0"}
        await cluster.change_log.close()
        await watch.close()

    run(body)


def test_a_new_member_joins_the_ring_at_once_or_stays_outside_as_configured():
    async def body(cluster):
        await cluster.join(MEMBER)
        assert cluster.member_table.state("p") is RingState.JOINED
        assert cluster.members.placeable == {"p"}
        cluster.members = cluster.new_registry(joins=False)
        await cluster.join(Member("q", "a:2"))
        assert cluster.member_table.state("q") is RingState.OUTSIDE
        assert (await cluster.change_log.load()).ring_states == {
            "p": RingState.JOINED,
            "q": RingState.OUTSIDE,
        }
        assert cluster.members.placeable == set()

    run(body)


def test_a_known_member_keeps_its_state_in_the_ring_when_it_registers_again():
    async def body(cluster):
        await (await cluster.join(MEMBER)).close()
        drained = Mutation(ring_states={"p": RingState.DRAINED})
        await cluster.change_log.run_exclusive(lambda: cluster.change_log.commit(drained))
        await cluster.join(Member("p", "a:2"))
        assert cluster.member_table.state("p") is RingState.DRAINED
        assert cluster.members.placeable == set()

    run(body)


def test_a_refused_registration_changes_nothing_and_is_logged(caplog):
    async def body(cluster):
        known = Member("p", "a:1", "volume", 2)
        await cluster.join(known)
        revision = cluster.view.revision
        with pytest.raises(RegistrationRefused, match="a later process"):
            await cluster.join(Member("p", "a:2", "volume", 1))
        assert cluster.view.revision == revision
        assert cluster.members.live_members == {"p"}

    run(body)
    assert "registration refused: p was opened 2 times" in caplog.text


def test_registrations_departures_and_reports_are_passed_on():
    async def body(cluster):
        events = cluster.events
        watch = RegisteredWatch(cluster.members, MEMBER)
        watch.report(MemberReport())
        assert events == []
        await anext(watch)
        watch.report(MemberReport())
        gateway = await cluster.join(GATEWAY)
        gateway.report(MemberReport())
        await watch.close()
        assert events.count(("p", MemberReport())) == 1
        assert events[0] == events[-1] == "members changed"

    run(body)


def test_an_expected_member_may_be_alive():
    async def body(cluster):
        assert not cluster.members.may_be_alive("p")
        cluster.members.expect({"member/p"}, lease_ms=60_000)
        assert cluster.members.may_be_alive("p")
        cluster.members.expect({"member/p"}, lease_ms=0)
        assert not cluster.members.may_be_alive("p")
        await cluster.join(MEMBER)
        assert cluster.members.may_be_alive("p")

    run(body)


def test_an_acknowledgement_before_the_first_change_is_ignored():
    async def body(cluster):
        RegisteredWatch(cluster.members, GATEWAY).acknowledge(5)

    run(body)


def test_connections_that_were_lost_in_a_pause_do_not_end_a_registration(monkeypatch):
    """Clients closed their connections while the process was paused, and reconnect to it."""

    async def body(cluster):
        loop, pauses = asyncio.get_running_loop(), cluster.members.pauses
        pauses.lease_s = 0.2
        checking = asyncio.create_task(pauses.run())
        await asyncio.sleep(0)
        gateway, member = await cluster.join(GATEWAY), await cluster.join(MEMBER)
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + 30)
        await gateway.close()
        await member.close()
        assert cluster.members.live_gateways == {0}
        assert cluster.members.live_members == {"p"}
        # The gateway registers again; the lease of the member expires.
        await cluster.join(GATEWAY)
        await asyncio.gather(*cluster.members._departures)
        assert cluster.members.live_gateways == {0}
        assert cluster.members.live_members == set()
        checking.cancel()

    run(body)
