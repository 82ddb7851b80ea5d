"""Coordinators that move to another member, without effect on clients."""

import asyncio
from contextlib import suppress

import pytest

from common.client.groups.coordinator_client import GrpcCoordinators
from common.cluster.group_partitions import group_partition
from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommitOffsets, FetchOffsets, OffsetToCommit
from common.rpc.channels import open_channel
from tests.support.clients.checked_load import create_topic
from tests.support.clients.raw_client import RawClient
from tests.support.clients.raw_consumers import RawConsumer
from tests.support.clients.raw_members import (
    LIST_GROUPS,
    LOADING,
    NOT_AVAILABLE,
    OFFSET_FETCH,
    Generations,
    RawConnection,
    RawMember,
    commit,
    fetch_committed,
    running_members,
    share_everything,
    until,
)
from tests.support.processes.cluster import Cluster
from tests.support.processes.failpoints import wait_until_at
from tests.support.wire.group_apis import DELETE_GROUPS, DESCRIBE_GROUPS
from tests.support.wire.kio_client import ask

pytestmark = pytest.mark.slow

PARTITIONS = 2
WITHIN_S = 90


def two_member_cluster(folder, *, offsets_partitions):
    return Cluster(
        folder,
        partitions=2,
        offsets_topic_num_partitions=str(offsets_partitions),
        group_initial_rebalance_delay_ms="0",
    )


class Group:
    """Two members, of which the first commits ascending offsets."""

    def __init__(self, cluster, name):
        self.name, self.generations = name, Generations()
        self.acknowledged = 0
        self.members = [
            RawMember(lambda: cluster.bootstrap, name, self.generations, partitions=PARTITIONS)
            for _ in range(2)
        ]

    @property
    def is_settled(self):
        return share_everything(self.members, PARTITIONS)

    async def commit(self):
        code = await self.members[0].commit("orders", {0: self.acknowledged + 1})
        assert code == 0, code
        self.acknowledged += 1

    @property
    def codes(self):
        return {code for member in self.members for code in member.codes}


def find_coordinators(cluster):
    return [partition.owner for partition in cluster.ring.topic(OFFSETS_TOPIC).partitions]


def test_moving_coordinators_does_not_affect_classic_members(tmp_path):
    """Heartbeats and commits continue without errors in the same generation."""
    with two_member_cluster(tmp_path, offsets_partitions=4) as cluster:
        create_topic(cluster.bootstrap, "orders", partitions=1)

        async def move_coordinators():
            groups = [Group(cluster, f"group-{number}") for number in range(8)]
            async with running_members([member for group in groups for member in group.members]):
                await until(lambda: all(group.is_settled for group in groups), what="groups")
                for group in groups:
                    for member in group.members:
                        member.codes.clear()
                before = [group.generations.last for group in groups]
                for member_name in cluster.members:
                    move = asyncio.create_task(asyncio.to_thread(drain, cluster, member_name))
                    while not move.done():
                        for group in groups:
                            await group.commit()
                    await move
                    for group in groups:
                        await group.commit()
                assert [group.generations.last for group in groups] == before
                assert set().union(*(group.codes for group in groups)) == {0}
            reader = RawConnection(lambda: cluster.bootstrap)
            for group in groups:
                assert await fetch_committed(reader, group.name) == {
                    ("orders", 0): group.acknowledged
                }
            reader.close()

        asyncio.run(move_coordinators())


def test_members_of_consumer_groups_are_not_fenced_while_their_coordinators_move(tmp_path):
    """A heartbeat that raised a member's epoch is not retried with the old epoch (KIP-848)."""
    with two_member_cluster(tmp_path, offsets_partitions=4) as cluster:
        create_topic(cluster.bootstrap, "orders", partitions=8)

        async def move_coordinators():
            groups = [f"consumers-{number}" for number in range(8)]
            staying = [create_consumer(cluster, group, f"{group}-stays") for group in groups]
            rejoining = [create_consumer(cluster, group, f"{group}-rejoins") for group in groups]
            tasks = [asyncio.create_task(member.work()) for member in staying]
            tasks += [asyncio.create_task(join_and_leave(member)) for member in rejoining]
            await until(lambda: all(member.partitions for member in staying), what="assignments")
            for member_name in [*cluster.members] * 2:
                await asyncio.to_thread(drain, cluster, member_name)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results), results
            fenced = {member.member_id: member.times_fenced for member in staying}
            assert not any(fenced.values()), fenced

        asyncio.run(move_coordinators())


def create_consumer(cluster, group, member_id):
    return RawConsumer(lambda: cluster.bootstrap, group, "orders", member_id)


async def join_and_leave(member):
    """Joins and leaves repeatedly, which raises the epochs of the other members."""
    while True:
        with suppress(OSError, EOFError):
            for _ in range(3):
                await member.heartbeat()
            await member.leave()


def drain(cluster, member):
    """Moves all partitions away from `member`, and then adds it to the ring again."""
    assert cluster.ring.drain(member) is None
    cluster.ring.wait_until(
        lambda ring: any(m.name == member and not m.partitions for m in ring.members),
        what=f"{member} drained",
        within_s=WITHIN_S,
    )
    coordinators = find_coordinators(cluster)
    assert cluster.ring.add(member) is None
    cluster.ring.wait_until_settled()
    assert member not in coordinators


def test_a_coordinator_that_is_down_affects_its_own_groups_only(tmp_path):
    names = [f"group-{number}" for number in range(12)]
    settings = {"offsets_topic_num_partitions": "4", "move_hold_max_ms": "200"}
    with Cluster(tmp_path, partitions=2, **settings) as cluster:
        create_topic(cluster.bootstrap, "orders", partitions=1)

        async def prepare():
            client = RawConnection(lambda: cluster.bootstrap)
            for name in names:
                assert await commit(client, name, "orders", {0: 1}) == 0
            client.close()

        asyncio.run(prepare())
        partitions = find_coordinators(cluster)
        down = next(iter(cluster.members))
        lost = {name for name in names if partitions[group_partition(name, 4)] == down}
        assert 0 < len(lost) < len(names)
        cluster.processes[down].kill()
        with RawClient(cluster.bootstrap) as raw:
            groups = ask(
                raw, DESCRIBE_GROUPS, 5, {"groups": names, "include_authorized_operations": False}
            ).groups
            assert {group.group_id for group in groups if group.error_code == NOT_AVAILABLE} == lost
            assert {group.group_state for group in groups if not group.error_code} == {"Empty"}
            requested = [
                {"group_id": name, "member_id": None, "member_epoch": -1, "topics": None}
                for name in names
            ]
            fetched = ask(
                raw, OFFSET_FETCH, 9, {"groups": requested, "require_stable": False}
            ).groups
            assert {group.group_id for group in fetched if group.error_code == LOADING} == lost
            assert all(group.topics for group in fetched if not group.error_code)
            listed = ask(raw, LIST_GROUPS, 4, {"states_filter": []})
            assert listed.error_code == 0
            assert {group.group_id for group in listed.groups} == {*names} - lost
            deleted = ask(raw, DELETE_GROUPS, 2, {"groups_names": names}).results
            assert {
                group.group_id for group in deleted if group.error_code == NOT_AVAILABLE
            } == lost
            assert {group.group_id for group in deleted if not group.error_code} == {*names} - lost


def test_a_paused_old_coordinator_neither_answers_nor_commits_when_it_resumes(tmp_path):
    with two_member_cluster(tmp_path, offsets_partitions=1) as cluster:
        create_topic(cluster.bootstrap, "orders", partitions=1)

        async def pause_during_move():
            client = RawConnection(lambda: cluster.bootstrap)
            assert await commit(client, "g", "orders", {0: 1}) == 0
            assert group_partition("g", 1) == 0
            (source,) = find_coordinators(cluster)
            (target,) = (member for member in cluster.members if member != source)
            async with open_channel(cluster.grpc_address(source)) as channel:
                old = GrpcCoordinators(source, channel)
                assert (await old.call(FetchOffsets("g"))).offsets[0].offset == 1
                await asyncio.to_thread(move_from_paused_source, cluster, source, target)
                # The new owner accepts commits while the old one is paused.
                assert await commit(client, "g", "orders", {0: 7}) == 0
                # The paused process reads these calls from its socket when it resumes.
                calls = [
                    old.call(FetchOffsets("g")),
                    old.call(CommitOffsets("g", [OffsetToCommit("orders", 0, 99)])),
                ]
                await asyncio.wait(calls, timeout=0.2)
                assert not any(call.done() for call in calls)
                cluster.processes[source].resume()
                for reply in await asyncio.gather(*calls):
                    assert reply.refusal is GroupRefusal.NOT_COORDINATOR
            assert await fetch_committed(client, "g") == {("orders", 0): 7}
            cluster.ring.wait_until_settled()
            assert await commit(client, "g", "orders", {0: 8}) == 0
            assert await fetch_committed(client, "g") == {("orders", 0): 8}
            client.close()

        asyncio.run(pause_during_move())


def move_from_paused_source(cluster, source, target):
    """Pauses the source when the target has every record but has not reported it yet."""
    with cluster.failpoints.held("move.target.installed"):
        cluster.ring.request_drain(source)
        wait_until_at(cluster.processes[target], "move.target.installed")
        cluster.processes[source].pause()
    cluster.ring.wait_until(
        lambda _: find_coordinators(cluster) == [target], what="another owner", within_s=WITHIN_S
    )
