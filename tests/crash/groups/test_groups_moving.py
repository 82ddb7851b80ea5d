"""Coordinators that move to another member: clients do not notice, and the old owner is none."""

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
    NOT_AVAILABLE,
    OFFSET_FETCH,
    Generations,
    RawConnection,
    RawMember,
    at_work,
    commit,
    committed,
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


def cluster_of_two(folder, *, offsets_partitions):
    return Cluster(
        folder,
        partitions=2,
        offsets_topic_num_partitions=str(offsets_partitions),
        group_initial_rebalance_delay_ms="0",
    )


class Group:
    """Two members, and commits of the first, each one higher than the one before."""

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


def owners(cluster):
    return [partition.owner for partition in cluster.ring.topic(OFFSETS_TOPIC).partitions]


def test_clients_do_not_notice_that_their_coordinators_move(tmp_path):
    """Heartbeats and commits continue without errors in the same generation."""
    with cluster_of_two(tmp_path, offsets_partitions=4) as cluster:
        create_topic(cluster.bootstrap, "orders", partitions=1)

        async def move():
            groups = [Group(cluster, f"group-{number}") for number in range(8)]
            async with at_work([member for group in groups for member in group.members]):
                await until(lambda: all(one.is_settled for one in groups), what="groups")
                for group in groups:
                    for member in group.members:
                        member.codes.clear()
                before = [one.generations.last for one in groups]
                for leaving in cluster.members:
                    moved = asyncio.create_task(asyncio.to_thread(drain, cluster, leaving))
                    while not moved.done():
                        for group in groups:
                            await group.commit()
                    await moved
                    for group in groups:
                        await group.commit()
                assert [one.generations.last for one in groups] == before
                assert set().union(*(one.codes for one in groups)) == {0}
            reader = RawConnection(lambda: cluster.bootstrap)
            for group in groups:
                assert await committed(reader, group.name) == {("orders", 0): group.acknowledged}
            reader.close()

        asyncio.run(move())


def test_members_of_consumer_groups_are_not_fenced_while_their_coordinators_move(tmp_path):
    """A heartbeat that raised a member's epoch is not made again with the old one (KIP-848)."""
    with cluster_of_two(tmp_path, offsets_partitions=4) as cluster:
        create_topic(cluster.bootstrap, "orders", partitions=8)

        async def move():
            groups = [f"consumers-{number}" for number in range(8)]
            staying = [consumer(cluster, group, f"{group}-stays") for group in groups]
            coming = [consumer(cluster, group, f"{group}-comes") for group in groups]
            tasks = [asyncio.create_task(one.work()) for one in staying]
            tasks += [asyncio.create_task(come_and_go(one)) for one in coming]
            await until(lambda: all(one.partitions for one in staying), what="assignments")
            for leaving in [*cluster.members] * 2:
                await asyncio.to_thread(drain, cluster, leaving)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended
            assert {one.member_id: one.times_fenced for one in staying if one.times_fenced} == {}

        asyncio.run(move())


def consumer(cluster, group, member_id):
    return RawConsumer(lambda: cluster.bootstrap, group, "orders", member_id)


async def come_and_go(member):
    """Each time the epochs of all others rise."""
    while True:
        with suppress(OSError, EOFError):
            for _ in range(3):
                await member.heartbeat()
            await member.leave()


def drain(cluster, member):
    """Everything away from it; then it may be given partitions again."""
    assert cluster.ring.drain(member) is None
    cluster.ring.wait_until(
        lambda ring: any(one.name == member and not one.partitions for one in ring.members),
        what=f"{member} drained",
        within_s=WITHIN_S,
    )
    held = owners(cluster)
    assert cluster.ring.add(member) is None
    cluster.ring.wait_until_settled()
    assert member not in held


def test_a_coordinator_that_is_down_is_the_trouble_of_its_own_groups(tmp_path):
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
        partitions = owners(cluster)
        down = next(iter(cluster.members))
        lost = {name for name in names if partitions[group_partition(name, 4)] == down}
        assert 0 < len(lost) < len(names)
        cluster.processes[down].kill()
        with RawClient(cluster.bootstrap) as raw:
            described = ask(
                raw, DESCRIBE_GROUPS, 5, {"groups": names, "include_authorized_operations": False}
            ).groups
            assert {one.group_id for one in described if one.error_code == NOT_AVAILABLE} == lost
            assert {one.group_state for one in described if not one.error_code} == {"Empty"}
            asked = [
                {"group_id": name, "member_id": None, "member_epoch": -1, "topics": None}
                for name in names
            ]
            fetched = ask(raw, OFFSET_FETCH, 9, {"groups": asked, "require_stable": False}).groups
            assert {
                fetched_partition.group_id
                for fetched_partition in fetched
                if fetched_partition.error_code == NOT_AVAILABLE
            } == lost
            assert all(
                fetched_partition.topics
                for fetched_partition in fetched
                if not fetched_partition.error_code
            )
            listed = ask(raw, LIST_GROUPS, 4, {"states_filter": []})
            assert listed.error_code == 0
            assert {group.group_id for group in listed.groups} == {*names} - lost
            deleted = ask(raw, DELETE_GROUPS, 2, {"groups_names": names}).results
            assert {one.group_id for one in deleted if one.error_code == NOT_AVAILABLE} == lost
            assert {one.group_id for one in deleted if not one.error_code} == {*names} - lost


def test_an_old_owner_that_wakes_up_neither_answers_nor_commits(tmp_path):
    with cluster_of_two(tmp_path, offsets_partitions=1) as cluster:
        create_topic(cluster.bootstrap, "orders", partitions=1)

        async def sleep_over_a_move():
            client = RawConnection(lambda: cluster.bootstrap)
            assert await commit(client, "g", "orders", {0: 1}) == 0
            assert group_partition("g", 1) == 0
            (source,) = owners(cluster)
            (target,) = (member for member in cluster.members if member != source)
            async with open_channel(cluster.grpc_address(source)) as channel:
                old = GrpcCoordinators(source, channel)
                assert (await old.call(FetchOffsets("g"))).offsets[0].offset == 1
                await asyncio.to_thread(move_from_sleeper, cluster, source, target)
                # The new owner takes commits while the old one sleeps.
                assert await commit(client, "g", "orders", {0: 7}) == 0
                # These lie in the socket of the sleeper, to be read when it wakes up.
                asked = [
                    old.call(FetchOffsets("g")),
                    old.call(CommitOffsets("g", [OffsetToCommit("orders", 0, 99)])),
                ]
                await asyncio.wait(asked, timeout=0.2)
                assert not any(one.done() for one in asked)
                cluster.processes[source].resume()
                for answer in await asyncio.gather(*asked):
                    assert answer.refusal is GroupRefusal.NOT_COORDINATOR
            assert await committed(client, "g") == {("orders", 0): 7}
            cluster.ring.wait_until_settled()
            assert await commit(client, "g", "orders", {0: 8}) == 0
            assert await committed(client, "g") == {("orders", 0): 8}
            client.close()

        asyncio.run(sleep_over_a_move())


def move_from_sleeper(cluster, source, target):
    """Pauses the source when the target has every record but has not reported it yet."""
    with cluster.failpoints.held("move.target.installed"):
        cluster.ring.ask_to_drain(source)
        wait_until_at(cluster.processes[target], "move.target.installed")
        cluster.processes[source].pause()
    cluster.ring.wait_until(
        lambda _: owners(cluster) == [target], what="another owner", within_s=WITHIN_S
    )
