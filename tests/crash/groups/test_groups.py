"""Groups while their processes are killed: acknowledged commits are kept, each record is processed,
and no partition has two owners in one generation.

`ROUNDS=100 make test TESTS=tests/crash/groups/test_groups.py` runs for minutes.
"""

import asyncio
import os
import random
from contextlib import contextmanager

import pytest

from tests.support.clients.checked_load import create_topic
from tests.support.clients.numbering_producer import NumberingProducer
from tests.support.clients.raw_client import RawClient
from tests.support.clients.raw_members import (
    LIST_GROUPS,
    PASSING,
    Generations,
    RawConnection,
    RawMember,
    commit,
    fetch_committed,
    running_members,
    share_everything,
    until,
)
from tests.support.groups.group_reader import printed_positions, start_reader
from tests.support.processes.deployments import three_processes
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

SEED = 848
ROUNDS = int(os.environ.get("ROUNDS", "3"))
PARTITIONS = 6
#: Sessions of killed members expire soon; groups with many members begin at once.
SETTINGS = {
    "group_initial_rebalance_delay_ms": "0",
    "group_min_session_timeout_ms": "1000",
}
WITHIN_S = 90


@pytest.fixture
def broker(tmp_path):
    with three_processes(tmp_path, **SETTINGS) as deployment:
        yield deployment


def address_getter(broker):
    return lambda: broker.address


async def restart(broker, *names):
    await asyncio.to_thread(broker.restart, *names)


class Committer:
    """Commits 1, 2, 3 … for its own group; `acknowledged` is the last acknowledged offset."""

    def __init__(self, broker, number):
        self.group = f"committer-{number}"
        self.acknowledged = self.sent = 0
        self.connection = RawConnection(address_getter(broker))

    async def work(self):
        while True:
            self.sent += 1
            try:
                code = await commit(self.connection, self.group, "orders", {0: self.sent})
            except (OSError, EOFError):
                await asyncio.sleep(0.02)
                continue
            if code == 0:
                self.acknowledged = self.sent
            else:
                assert code in PASSING, code
                await asyncio.sleep(0.02)

    async def check(self, connection):
        """Checks the committed offset, also while the load runs."""
        before = self.acknowledged
        offsets = await fetch_committed(connection, self.group)
        assert before <= offsets["orders", 0] <= self.sent


@pytest.mark.parametrize("victims", [("partition",), ("gateway",), ("metadata", "partition")])
def test_acknowledged_commits_survive_a_kill_under_load(broker, victims):
    create_topic(broker.address, "orders", partitions=1)
    rng = random.Random(SEED)

    async def commit_under_kills():
        reader = RawConnection(address_getter(broker))
        committers = [Committer(broker, number) for number in range(12)]
        tasks = [asyncio.create_task(committer.work()) for committer in committers]
        for _ in range(ROUNDS):
            targets = [committer.acknowledged + rng.randrange(5, 40) for committer in committers]

            def have_progressed(targets=targets):
                assert not any(task.done() for task in tasks)
                return all(
                    committer.acknowledged >= target
                    for committer, target in zip(committers, targets, strict=True)
                )

            await until(have_progressed, what="commits", within_s=WITHIN_S)
            await restart(broker, *victims)
            for committer in committers:
                await committer.check(reader)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for committer in committers:
            await committer.check(reader)
        for connection in (reader, *(committer.connection for committer in committers)):
            connection.close()

    asyncio.run(commit_under_kills())


def test_a_topic_deleted_while_the_coordinator_is_down_leaves_no_offsets_to_its_successor(broker):
    async def commit_3():
        connection = RawConnection(address_getter(broker))
        assert await commit(connection, "g", "orders", {0: 3}) == 0
        assert await fetch_committed(connection, "g") == {("orders", 0): 3}
        connection.close()

    async def fetch_offsets():
        connection = RawConnection(address_getter(broker))
        try:
            return await fetch_committed(connection, "g")
        finally:
            connection.close()

    create_topic(broker.address, "orders", partitions=1)
    asyncio.run(commit_3())
    broker.kill("partition")
    with RawClient(broker.address) as raw:
        assert raw.delete_topic("orders") == 0
    broker.start("partition")
    broker.wait_until_ready()
    create_topic(broker.address, "orders", partitions=1)
    assert asyncio.run(fetch_offsets()) == {}


@pytest.mark.parametrize("victim", ["partition", "gateway"])
def test_a_rebalance_interrupted_by_a_kill_is_repeated(broker, victim):
    async def rebalance():
        generations = Generations()
        # Heartbeats differ, because a rebalance that all members join at once ends too soon.
        members = [
            RawMember(
                address_getter(broker),
                "g",
                generations,
                partitions=PARTITIONS,
                heartbeat_s=0.1 * number,
            )
            for number in range(1, 5)
        ]
        newcomer = RawMember(address_getter(broker), "g", generations, partitions=PARTITIONS)
        async with running_members(members):
            for _ in range(ROUNDS):
                await until(lambda: share_everything(members, PARTITIONS), what="a generation")
                before = members[0].generation
                joining = asyncio.create_task(newcomer.work())
                await until(
                    lambda: any(not member.assigned for member in members), what="a rebalance"
                )
                await restart(broker, victim)
                all_members = [*members, newcomer]
                await until(
                    lambda all_members=all_members: share_everything(all_members, PARTITIONS),
                    what="a generation after the kill",
                    within_s=WITHIN_S,
                )
                assert members[0].generation > before
                joining.cancel()
                await asyncio.wait([joining])
                await newcomer.leave()
                newcomer.connection.close()
        assert not generations.conflicts

    asyncio.run(rebalance())


def test_members_keep_their_generation_while_their_coordinator_restarts(broker):
    """No member rejoins: the group is unchanged, and heartbeats are only late."""

    async def stay():
        generations = Generations()
        members = [
            RawMember(address_getter(broker), "g", generations, partitions=PARTITIONS)
            for _ in range(3)
        ]
        async with running_members(members):
            await until(lambda: share_everything(members, PARTITIONS), what="a generation")
            generation = members[0].generation
            await restart(broker, "partition")
            counts = [len(member.codes) for member in members]
            await until(
                lambda: all(len(m.codes) > n + 3 for m, n in zip(members, counts, strict=True)),
                what="heartbeats after the kill",
            )
            assert share_everything(members, PARTITIONS)
            assert {member.generation for member in members} == {generation}

    asyncio.run(stay())


@contextmanager
def running_producer(broker, topic):
    create_topic(broker.address, topic, partitions=PARTITIONS)
    producer = NumberingProducer(
        broker.address, topic, name="load", partitions=PARTITIONS, pause_s=0.02
    )
    producer.start()
    try:
        yield producer
    finally:
        producer.stop()


@pytest.mark.parametrize("victim", [None, "partition", "gateway"])
def test_each_record_is_processed_while_members_and_services_are_killed(broker, victim):
    """In each round a member joins, another one is killed, and a service with it."""
    rng = random.Random(SEED)
    topic = "orders"
    readers = []

    def start_newcomer():
        reader = start_reader(f"reader-{len(readers)}", broker.address, topic, "g")
        readers.append(reader)
        eventually(
            lambda: printed_positions(reader),
            within_s=WITHIN_S,
            what=f"a record read by {reader.name}",
        )
        return reader

    with running_producer(broker, topic) as producer:
        try:
            alive = [start_newcomer(), start_newcomer()]
            for _ in range(ROUNDS):
                alive.append(start_newcomer())
                alive.pop(rng.randrange(len(alive))).kill()
                if victim is not None:
                    broker.restart(victim)
            producer.finish(within_s=WITHIN_S)
            assert not producer.failures
            acknowledged = {(record.partition, record.offset) for record in producer.acknowledged}
            eventually(
                lambda: acknowledged <= set().union(*map(printed_positions, readers)),
                within_s=WITHIN_S,
                what="all records, by any reader",
            )
        finally:
            for reader in readers:
                if reader.is_running:
                    reader.kill()
    assert len(acknowledged) > ROUNDS * PARTITIONS


def test_a_thousand_groups_keep_their_state_through_a_kill(broker):
    create_topic(broker.address, "orders", partitions=1)

    async def run_members():
        connections = [RawConnection(address_getter(broker)) for _ in range(10)]
        members = [
            RawMember(
                address_getter(broker),
                f"group-{number}",
                Generations(),
                partitions=1,
                # Long enough for all groups on a slow machine.
                session_timeout_ms=300_000,
                connection=connections[number % len(connections)],
            )
            for number in range(1000)
        ]
        assert all(await asyncio.gather(*(member.join() for member in members)))
        commits = [member.commit("orders", {0: n}) for n, member in enumerate(members)]
        assert set(await asyncio.gather(*commits)) == {0}
        await restart(broker, "partition")
        listed = await connections[0].ask(LIST_GROUPS, 4, {"states_filter": ["Stable"]})
        assert listed.error_code == 0
        assert {group.group_id for group in listed.groups} == {member.group for member in members}
        assert set(await asyncio.gather(*(member.heartbeat() for member in members))) == {0}
        for number, member in enumerate(members):
            offsets = await fetch_committed(member.connection, member.group)
            assert offsets == {("orders", 0): number}
        for connection in connections:
            connection.close()

    asyncio.run(run_members())


def test_two_hundred_members_form_one_group_again_after_a_kill(broker):
    count = 200

    async def run_members():
        generations = Generations()
        members = [
            RawMember(address_getter(broker), "g", generations, partitions=count, heartbeat_s=1.0)
            for _ in range(count)
        ]
        async with running_members(members):
            await until(
                lambda: share_everything(members, count),
                what="a generation with all members",
                within_s=WITHIN_S,
            )
            await restart(broker, "partition")
            leaver = members[0]
            assert await leaver.heartbeat() == 0
            # Its task continues, so it rejoins after it has left.
            await leaver.leave()
            before = members[1].generation
            await until(
                lambda: members[1].generation > before and share_everything(members, count),
                what="a generation with all members after the rejoin",
                within_s=WITHIN_S,
            )
        assert not generations.conflicts

    asyncio.run(run_members())
