"""Groups while the processes that keep them are killed: what was acknowledged is there, each record
is processed, and no partition has two owners in one generation.

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
    at_work,
    commit,
    committed,
    share_everything,
    until,
)
from tests.support.groups.group_reader import read_by, start_reader
from tests.support.processes.deployments import three_processes
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

SEED = 848
ROUNDS = int(os.environ.get("ROUNDS", "3"))
PARTITIONS = 6
#: A member that died is missed soon; groups with many members begin at once.
SETTINGS = {
    "group_initial_rebalance_delay_ms": "0",
    "group_min_session_timeout_ms": "1000",
}
WITHIN_S = 90


@pytest.fixture
def broker(tmp_path):
    with three_processes(tmp_path, **SETTINGS) as deployment:
        yield deployment


def address_of(broker):
    return lambda: broker.address


async def restarted(broker, *names):
    await asyncio.to_thread(broker.restart, *names)


class Committer:
    """Commits 1, 2, 3 … for its own group, and remembers what was acknowledged."""

    def __init__(self, broker, number):
        self.group = f"storm-{number}"
        self.acknowledged = self.sent = 0
        self.connection = RawConnection(address_of(broker))

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
        """Checks the log, also while the load runs."""
        before = self.acknowledged
        kept = await committed(connection, self.group)
        assert before <= kept["orders", 0] <= self.sent


@pytest.mark.parametrize("victims", [("partition",), ("gateway",), ("metadata", "partition")])
def test_commits_that_were_acknowledged_survive_a_kill_in_a_storm_of_them(broker, victims):
    create_topic(broker.address, "orders", partitions=1)
    rng = random.Random(SEED)

    async def storm():
        reader = RawConnection(address_of(broker))
        committers = [Committer(broker, number) for number in range(12)]
        tasks = [asyncio.create_task(committer.work()) for committer in committers]
        for _ in range(ROUNDS):
            aims = [committer.acknowledged + rng.randrange(5, 40) for committer in committers]

            def are_there(aims=aims):
                assert not any(task.done() for task in tasks)
                return all(
                    one.acknowledged >= aim for one, aim in zip(committers, aims, strict=True)
                )

            await until(are_there, what="commits", within_s=WITHIN_S)
            await restarted(broker, *victims)
            for one in committers:
                await one.check(reader)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for one in committers:
            await one.check(reader)
        for connection in (reader, *(committer.connection for committer in committers)):
            connection.close()

    asyncio.run(storm())


def test_a_topic_deleted_while_its_coordinator_is_down_leaves_no_offsets_to_the_next(broker):
    async def commit_3():
        connection = RawConnection(address_of(broker))
        assert await commit(connection, "g", "orders", {0: 3}) == 0
        assert await committed(connection, "g") == {("orders", 0): 3}
        connection.close()

    async def committed_now():
        connection = RawConnection(address_of(broker))
        try:
            return await committed(connection, "g")
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
    assert asyncio.run(committed_now()) == {}


@pytest.mark.parametrize("victim", ["partition", "gateway"])
def test_a_rebalance_that_is_killed_in_the_middle_is_made_again(broker, victim):
    async def rebalance():
        generations = Generations()
        # They are notified one after the other: a rebalance that all join at once ends too soon.
        members = [
            RawMember(
                address_of(broker),
                "g",
                generations,
                partitions=PARTITIONS,
                heartbeat_s=0.1 * number,
            )
            for number in range(1, 5)
        ]
        newcomer = RawMember(address_of(broker), "g", generations, partitions=PARTITIONS)
        async with at_work(members):
            for _ in range(ROUNDS):
                await until(lambda: share_everything(members, PARTITIONS), what="a generation")
                before = members[0].generation
                joining = asyncio.create_task(newcomer.work())
                await until(
                    lambda: any(not member.assigned for member in members), what="a rebalance"
                )
                await restarted(broker, victim)
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


def test_members_stay_as_they_are_while_their_coordinator_comes_back(broker):
    """No member rejoins: the group is unchanged, and heartbeats are only late."""

    async def stay():
        generations = Generations()
        members = [
            RawMember(address_of(broker), "g", generations, partitions=PARTITIONS) for _ in range(3)
        ]
        async with at_work(members):
            await until(lambda: share_everything(members, PARTITIONS), what="a generation")
            generation = members[0].generation
            await restarted(broker, "partition")
            seen = [len(member.codes) for member in members]
            await until(
                lambda: all(len(m.codes) > n + 3 for m, n in zip(members, seen, strict=True)),
                what="heartbeats after the kill",
            )
            assert share_everything(members, PARTITIONS)
            assert {member.generation for member in members} == {generation}

    asyncio.run(stay())


@contextmanager
def numbered_load(broker, topic):
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
    """In each round one member comes, one dies without a word, and a service with it."""
    rng = random.Random(SEED)
    topic = "orders"
    readers = []

    def newcomer():
        reader = start_reader(f"reader-{len(readers)}", broker.address, topic, "g")
        readers.append(reader)
        eventually(lambda: read_by(reader), within_s=WITHIN_S, what=f"{reader.name} that reads")
        return reader

    with numbered_load(broker, topic) as producer:
        try:
            alive = [newcomer(), newcomer()]
            for _ in range(ROUNDS):
                alive.append(newcomer())
                alive.pop(rng.randrange(len(alive))).kill()
                if victim is not None:
                    broker.restart(victim)
            producer.finish(within_s=WITHIN_S)
            assert not producer.failures
            everything = {(one.partition, one.offset) for one in producer.acknowledged}
            eventually(
                lambda: everything <= set().union(*map(read_by, readers)),
                within_s=WITHIN_S,
                what="all records, by whomever",
            )
        finally:
            for reader in readers:
                if reader.is_running:
                    reader.kill()
    assert len(everything) > ROUNDS * PARTITIONS


def test_a_thousand_groups_are_as_they_were_after_a_kill(broker):
    create_topic(broker.address, "orders", partitions=1)

    async def many():
        connections = [RawConnection(address_of(broker)) for _ in range(10)]
        members = [
            RawMember(
                address_of(broker),
                f"group-{number}",
                Generations(),
                partitions=1,
                # Longer than the machine may take for all of them.
                session_timeout_ms=300_000,
                connection=connections[number % len(connections)],
            )
            for number in range(1000)
        ]
        assert all(await asyncio.gather(*(member.join() for member in members)))
        offsets = [one.commit("orders", {0: number}) for number, one in enumerate(members)]
        assert set(await asyncio.gather(*offsets)) == {0}
        await restarted(broker, "partition")
        listed = await connections[0].ask(LIST_GROUPS, 4, {"states_filter": ["Stable"]})
        assert listed.error_code == 0
        assert {group.group_id for group in listed.groups} == {member.group for member in members}
        assert set(await asyncio.gather(*(member.heartbeat() for member in members))) == {0}
        for number, one in enumerate(members):
            kept = await committed(one.connection, one.group)
            assert kept == {("orders", 0): number}
        for one in connections:
            one.close()

    asyncio.run(many())


def test_two_hundred_members_are_one_group(broker):
    count = 200

    async def many():
        generations = Generations()
        members = [
            RawMember(address_of(broker), "g", generations, partitions=count, heartbeat_s=1.0)
            for _ in range(count)
        ]
        async with at_work(members):
            await until(
                lambda: share_everything(members, count), what="all in one", within_s=WITHIN_S
            )
            await restarted(broker, "partition")
            leaver = members[0]
            assert await leaver.heartbeat() == 0
            # Its work continues: the group sees it leave and join again.
            await leaver.leave()
            before = members[1].generation
            await until(
                lambda: members[1].generation > before and share_everything(members, count),
                what="all in one again",
                within_s=WITHIN_S,
            )
        assert not generations.conflicts

    asyncio.run(many())
