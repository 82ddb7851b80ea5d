"""Coordinators that move while members wait in JoinGroup or SyncGroup for a late member.

The old coordinator releases the waiting requests. Requests that can continue wait at the new
coordinator, without a response in between; others get an error at once, and their members rejoin.
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
    running_members,
    share_everything,
    until,
)
from tests.support.groups.groups import GROUP, join_and_sync_alone, join_request, new_member_id
from tests.support.groups.partition_owners import Owners
from tests.support.processes.cluster import Cluster
from tests.support.processes.failpoints import wait_until_at
from tests.support.waiting import eventually
from tests.support.wire.group_apis import DESCRIBE_GROUPS
from tests.support.wire.kio_client import ask

pytestmark = pytest.mark.slow

PARTITIONS = 6
#: Time for which a gateway retries a call to a coordinator; other timeouts do not expire in a test.
RETRY_S = 4.0
SESSION_MS = 300_000
#: Timeout of a move's fence.
FENCE_S = 60


@pytest.fixture
def cluster(tmp_path):
    """Two members, of which one coordinates all groups."""
    settings = {
        "offsets_topic_num_partitions": "1",
        "group_initial_rebalance_delay_ms": "0",
        "ring_move_fence_timeout_ms": str(FENCE_S * 1000),
        "move_hold_max_ms": str(int(RETRY_S * 1000)),
    }
    with Cluster(tmp_path, partitions=2, **settings) as running:
        # The first request about a group creates the internal topic.
        wait_until_described(running, "Dead", 0)
        yield running


class DelayingConnection(RawConnection):
    """Delays requests of one API between `hold` and `release`."""

    def __init__(self, address, api_key):
        super().__init__(address)
        self._api_key, self._may_send = api_key, asyncio.Event()
        self.release()

    def hold(self):
        self._may_send.clear()

    def release(self):
        self._may_send.set()

    async def ask(self, api_key, version, values):
        if api_key == self._api_key:
            await self._may_send.wait()
        return await super().ask(api_key, version, values)


class Member(RawMember):
    """A raw member; `refusals` are the errors after which it rejoined."""

    def __init__(self, cluster, generations, *, delayed_api=None):
        address = lambda: cluster.bootstrap  # noqa: E731
        super().__init__(
            address,
            "g",
            generations,
            partitions=PARTITIONS,
            session_timeout_ms=SESSION_MS,
            connection=DelayingConnection(address, delayed_api),
        )
        self.refusals = []

    def _on_error(self, code):
        self.refusals.append(int(code))
        super()._on_error(code)


def describe_group(cluster):
    """Returns the state and the number of members of the group "g"."""
    with RawClient(cluster.bootstrap) as raw:
        values = {"groups": ["g"], "include_authorized_operations": False}
        (group,) = ask(raw, DESCRIBE_GROUPS, 5, values).groups
        return group.group_state, len(group.members)


def wait_until_described(cluster, *expected):
    eventually(lambda: describe_group(cluster) == expected, what=f"{expected}")


def find_coordinator(cluster):
    (placement,) = cluster.ring.topic(OFFSETS_TOPIC).partitions
    return placement.owner


def move_coordinator(cluster):
    source = find_coordinator(cluster)
    assert cluster.ring.drain(source) is None
    cluster.ring.wait_until_settled()
    assert find_coordinator(cluster) != source


@asynccontextmanager
async def rebalance_with_late_member(cluster, leader, other, new, *, late):
    """Forms a generation of `leader` and `other`; then lets `new` join while `late` is delayed."""
    assert await leader.join()
    async with running_members([leader, other]):
        await until(lambda: share_everything([leader, other], PARTITIONS), what="a generation")
        for member in (leader, other):
            member.refusals.clear()
        late.connection.hold()
        async with running_members([new]):
            yield


async def move_coordinator_after_retries(cluster):
    """Moves the coordinator after the members have waited for longer than a gateway retries."""
    await asyncio.sleep(RETRY_S + 1)
    await asyncio.to_thread(move_coordinator, cluster)


def test_parked_joins_continue_at_the_new_coordinator(cluster):
    """A member that was in no generation is unknown there, as in Kafka, and rejoins."""

    async def join():
        generations = Generations()
        leader, new = Member(cluster, generations), Member(cluster, generations)
        late = Member(cluster, generations, delayed_api=JOIN)
        async with rebalance_with_late_member(cluster, leader, late, new, late=late):
            waiting = ("PreparingRebalance", 3)
            await asyncio.to_thread(wait_until_described, cluster, *waiting)
            await move_coordinator_after_retries(cluster)
            await until(lambda: new.refusals, what="an error for the unknown member")
            await asyncio.to_thread(wait_until_described, cluster, *waiting)
            assert new.generation == -1
            late.connection.release()
            all_members = [leader, late, new]
            await until(
                lambda: share_everything(all_members, PARTITIONS),
                what="one generation with all members",
            )
        assert leader.refusals == late.refusals == [REBALANCE]
        assert new.refusals == [UNKNOWN_MEMBER]
        assert not generations.conflicts

    asyncio.run(join())


def test_parked_syncs_are_answered_when_their_coordinator_moves(cluster):
    """The log has their generation without assignments: they rejoin, the leader after them."""

    async def sync():
        generations = Generations()
        leader = Member(cluster, generations, delayed_api=SYNC)
        other, new = Member(cluster, generations), Member(cluster, generations)
        async with rebalance_with_late_member(cluster, leader, other, new, late=leader):
            await asyncio.to_thread(wait_until_described, cluster, "CompletingRebalance", 3)
            await move_coordinator_after_retries(cluster)
            await until(
                lambda: len(other.refusals) > 1 and new.refusals, what="responses to both members"
            )
            assert other.refusals == [REBALANCE, REBALANCE]
            assert new.refusals == leader.refusals == [REBALANCE]
            await asyncio.to_thread(wait_until_described, cluster, "PreparingRebalance", 3)
            leader.connection.release()
            all_members = [leader, other, new]
            await until(
                lambda: share_everything(all_members, PARTITIONS),
                what="one generation with all members",
            )
        assert leader.refusals == other.refusals == [REBALANCE, REBALANCE]
        assert new.refusals == [REBALANCE]
        assert not generations.conflicts

    asyncio.run(sync())


def test_a_coordinator_releases_parked_joins_at_its_fence(cluster):
    """Calls it over gRPC, as a gateway does; it replies before the metadata has the new owner."""

    async def park():
        source = find_coordinator(cluster)
        (target,) = (member for member in cluster.members if member != source)
        async with open_channel(cluster.grpc_address(source)) as channel:
            old = GrpcCoordinators(source, channel)
            await join_and_sync_alone(old)
            member_id = await new_member_id(old)
            waiting = old.call(join_request(member_id))
            while (await old.call(DescribeGroup(GROUP))).state != "PreparingRebalance":
                assert not waiting.done()
            with cluster.failpoints.held("move.target.installed"):
                cluster.ring.request_drain(source)
                process = cluster.processes[target]
                await asyncio.to_thread(wait_until_at, process, "move.target.installed")
                # Long before the move is rolled back and the source has the log again.
                async with asyncio.timeout(FENCE_S / 2):
                    joined = await waiting
                assert joined.refusal is GroupRefusal.NOT_COORDINATOR
                assert find_coordinator(cluster) == source
            await asyncio.to_thread(cluster.ring.wait_until_settled)

    asyncio.run(park())


class LateOwners(Owners):
    """Keeps `late` from revoking its partitions, and so from rejoining, until `may_revoke`."""

    def __init__(self):
        super().__init__()
        self.may_revoke, self.late = threading.Event(), None

    def remove(self, member, partitions):
        if member is self.late:
            self.may_revoke.wait()
        super().remove(member, partitions)


def test_clients_that_wait_for_a_late_member_are_in_its_generation_after_a_move(cluster):
    """Some members are in the log, and some are new."""
    create_topic(cluster.bootstrap, "orders", partitions=PARTITIONS)
    owners = LateOwners()

    def start_member(kind):
        return stack.enter_context(kind(cluster.bootstrap, "orders", "g", owners=owners))

    def are_settled(members):
        assigned = sorted(part for member in members for part in member.assigned)
        return assigned == list(range(PARTITIONS)) and all(member.assigned for member in members)

    with ExitStack() as stack:
        known = [start_member(ConfluentMember) for _ in range(2)]
        eventually(lambda: are_settled(known), what="a generation")
        owners.late = known[1]
        new = [start_member(kind) for kind in (ConfluentMember, AioMember, PythonMember)]
        # Runs before the members stop: a client that waits in JoinGroup cannot stop.
        stack.callback(owners.may_revoke.set)
        all_members = [*known, *new]
        waiting = ("PreparingRebalance", len(all_members))
        wait_until_described(cluster, *waiting)
        time.sleep(RETRY_S + 1)
        move_coordinator(cluster)
        wait_until_described(cluster, *waiting)
        # A known member may keep its assignment until it sees the rebalance.
        eventually(
            lambda: not any(member.assigned for member in all_members),
            what="all members without assignments",
        )
        owners.may_revoke.set()
        # A rebalance that a member misses takes five minutes (max.poll.interval.ms).
        eventually(
            lambda: are_settled(all_members), within_s=60, what="one generation with all members"
        )
        assert not owners.conflicts
