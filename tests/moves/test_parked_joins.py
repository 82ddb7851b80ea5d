"""Coordinators that move while members wait in JoinGroup or SyncGroup for one that is late.

The old coordinator releases the waiting requests. Those that can continue wait at the new one,
without a response in between; the others get an error at once, and their members join again.
"""

import asyncio
import threading
import time
from contextlib import ExitStack, asynccontextmanager

import pytest

from common.client.groups.coordinator_client import GrpcCoordinators
from common.ports.classic_groups import DescribeGroup
from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.group_errors import GroupRefusal
from common.rpc.channels import open_channel
from tests.clients.adapters.group_members import AioMember, ConfluentMember, PythonMember
from tests.support.clients.checked_load import create_topic
from tests.support.clients.raw_client import RawClient
from tests.support.clients.raw_members import (
    JOIN,
    REBALANCE,
    SYNC,
    UNKNOWN_MEMBER,
    Generations,
    RawConnection,
    RawMember,
    at_work,
    share_everything,
    until,
)
from tests.support.groups.groups import GROUP, joining, new_member_id, settled_alone
from tests.support.groups.partition_owners import Owners
from tests.support.processes.cluster import Cluster
from tests.support.processes.failpoints import wait_until_at
from tests.support.waiting import eventually
from tests.support.wire.group_apis import DESCRIBE_GROUPS
from tests.support.wire.kio_client import ask

pytestmark = pytest.mark.slow

PARTITIONS = 6
#: How long a gateway makes a call to a coordinator again; no other timeout expires within a test.
HOLD_S = 4.0
SESSION_MS = 300_000
#: How long a move may stay behind its fence.
FENCE_S = 60


@pytest.fixture
def cluster(tmp_path):
    """Two members, of which one coordinates all groups."""
    settings = {
        "offsets_topic_num_partitions": "1",
        "group_initial_rebalance_delay_ms": "0",
        "ring_move_fence_timeout_ms": str(FENCE_S * 1000),
        "move_hold_max_ms": str(int(HOLD_S * 1000)),
    }
    with Cluster(tmp_path, partitions=2, **settings) as running:
        # Whoever asks about a group first creates the topic.
        wait_until_described(running, "Dead", 0)
        yield running


class HeldConnection(RawConnection):
    """Keeps requests of one API back while it is held."""

    def __init__(self, address, api_key):
        super().__init__(address)
        self._api_key, self._may_send = api_key, asyncio.Event()
        self.let_go()

    def hold(self):
        self._may_send.clear()

    def let_go(self):
        self._may_send.set()

    async def ask(self, api_key, version, values):
        if api_key == self._api_key:
            await self._may_send.wait()
        return await super().ask(api_key, version, values)


class Member(RawMember):
    """`refusals`: the errors after which it joined again."""

    def __init__(self, cluster, generations, *, holding=None):
        address = lambda: cluster.bootstrap  # noqa: E731
        super().__init__(
            address,
            "g",
            generations,
            partitions=PARTITIONS,
            session_timeout_ms=SESSION_MS,
            connection=HeldConnection(address, holding),
        )
        self.refusals = []

    def _refused(self, code):
        self.refusals.append(int(code))
        super()._refused(code)


def described(cluster):
    """State and number of members of the group "g"."""
    with RawClient(cluster.bootstrap) as raw:
        values = {"groups": ["g"], "include_authorized_operations": False}
        (found,) = ask(raw, DESCRIBE_GROUPS, 5, values).groups
        return found.group_state, len(found.members)


def wait_until_described(cluster, *expected):
    eventually(lambda: described(cluster) == expected, what=f"{expected}")


def owner(cluster):
    (one,) = cluster.ring.topic(OFFSETS_TOPIC).partitions
    return one.owner


def move_coordinator(cluster):
    source = owner(cluster)
    assert cluster.ring.drain(source) is None
    cluster.ring.wait_until_settled()
    assert owner(cluster) != source


@asynccontextmanager
async def settled_with_newcomer(cluster, leader, other, new, *, held):
    """A generation of `leader` and `other`; then `held` is late, and `new` joins."""
    assert await leader.join()
    async with at_work([leader, other]):
        await until(lambda: share_everything([leader, other], PARTITIONS), what="a generation")
        for one in (leader, other):
            one.refusals.clear()
        held.connection.hold()
        async with at_work([new]):
            yield


async def move_after_hold(cluster):
    """The members wait for longer than calls are made again, and then their coordinator moves."""
    await asyncio.sleep(HOLD_S + 1)
    await asyncio.to_thread(move_coordinator, cluster)


def test_parked_joins_continue_at_the_new_coordinator(cluster):
    """A member that has not been in a generation is unknown there, as in Kafka, and joins again."""

    async def join():
        generations = Generations()
        leader, new = Member(cluster, generations), Member(cluster, generations)
        late = Member(cluster, generations, holding=JOIN)
        async with settled_with_newcomer(cluster, leader, late, new, held=late):
            waiting = ("PreparingRebalance", 3)
            await asyncio.to_thread(wait_until_described, cluster, *waiting)
            await move_after_hold(cluster)
            await until(lambda: new.refusals, what="an answer to who is not known there")
            await asyncio.to_thread(wait_until_described, cluster, *waiting)
            assert new.generation == -1
            late.connection.let_go()
            all_members = [leader, late, new]
            await until(lambda: share_everything(all_members, PARTITIONS), what="all in one")
        assert leader.refusals == late.refusals == [REBALANCE]
        assert new.refusals == [UNKNOWN_MEMBER]
        assert not generations.conflicts

    asyncio.run(join())


def test_syncs_that_wait_for_their_leader_are_answered_when_their_coordinator_moves(cluster):
    """The log has their generation without assignments: they join again, the leader after them."""

    async def sync():
        generations = Generations()
        leader = Member(cluster, generations, holding=SYNC)
        other, new = Member(cluster, generations), Member(cluster, generations)
        async with settled_with_newcomer(cluster, leader, other, new, held=leader):
            await asyncio.to_thread(wait_until_described, cluster, "CompletingRebalance", 3)
            await move_after_hold(cluster)
            await until(lambda: len(other.refusals) > 1 and new.refusals, what="their answers")
            assert other.refusals == [REBALANCE, REBALANCE]
            assert new.refusals == leader.refusals == [REBALANCE]
            await asyncio.to_thread(wait_until_described, cluster, "PreparingRebalance", 3)
            leader.connection.let_go()
            all_members = [leader, other, new]
            await until(lambda: share_everything(all_members, PARTITIONS), what="all in one")
        assert leader.refusals == other.refusals == [REBALANCE, REBALANCE]
        assert new.refusals == [REBALANCE]
        assert not generations.conflicts

    asyncio.run(sync())


def test_a_coordinator_lets_go_of_joins_at_its_fence(cluster):
    """Over gRPC, as a gateway asks it: before the new owner is recorded."""

    async def park():
        source = owner(cluster)
        (target,) = (member for member in cluster.members if member != source)
        async with open_channel(cluster.grpc_address(source)) as channel:
            old = GrpcCoordinators(source, channel)
            await settled_alone(old)
            member_id = await new_member_id(old)
            waiting = old.call(joining(member_id))
            while (await old.call(DescribeGroup(GROUP))).state != "PreparingRebalance":
                assert not waiting.done()
            with cluster.failpoints.held("move.target.installed"):
                cluster.ring.ask_to_drain(source)
                at_fence = wait_until_at, cluster.processes[target], "move.target.installed"
                await asyncio.to_thread(*at_fence)
                # Long before the move is given up and the source has the log again.
                async with asyncio.timeout(FENCE_S / 2):
                    joined = await waiting
                assert joined.refusal is GroupRefusal.NOT_COORDINATOR
                assert owner(cluster) == source
            await asyncio.to_thread(cluster.ring.wait_until_settled)

    asyncio.run(park())


class LateOwners(Owners):
    """One member is late: it may not give its partitions up, and so not join, before `may_go`."""

    def __init__(self):
        super().__init__()
        self.may_go, self.late = threading.Event(), None

    def gave_up(self, who, partitions):
        if who is self.late:
            self.may_go.wait()
        super().gave_up(who, partitions)


def test_real_clients_that_wait_for_a_late_one_are_in_its_generation_after_a_move(cluster):
    """Some members are in the log, and some are new."""
    create_topic(cluster.bootstrap, "orders", partitions=PARTITIONS)
    owners = LateOwners()

    def enter(kind):
        return stack.enter_context(kind(cluster.bootstrap, "orders", "g", owners=owners))

    def are_settled(members):
        dealt = sorted(part for member in members for part in member.assigned)
        return dealt == list(range(PARTITIONS)) and all(member.assigned for member in members)

    with ExitStack() as stack:
        known = [enter(ConfluentMember) for _ in range(2)]
        eventually(lambda: are_settled(known), what="a generation")
        owners.late = known[1]
        new = [enter(one) for one in (ConfluentMember, AioMember, PythonMember)]
        # Before they leave: clients that wait in JoinGroup are not stopped by anything else.
        stack.callback(owners.may_go.set)
        all_members = [*known, *new]
        waiting = ("PreparingRebalance", len(all_members))
        wait_until_described(cluster, *waiting)
        time.sleep(HOLD_S + 1)
        move_coordinator(cluster)
        wait_until_described(cluster, *waiting)
        # One that is known may be given what it had, until it sees that the others join.
        eventually(
            lambda: not any(member.assigned for member in all_members), what="all of them to wait"
        )
        owners.may_go.set()
        # A rebalance that a member misses takes five minutes (max.poll.interval.ms).
        eventually(lambda: are_settled(all_members), within_s=60, what="all in one")
        assert not owners.conflicts
