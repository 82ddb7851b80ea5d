"""Consumer groups as real clients use them."""

import subprocess
from contextlib import ExitStack

import pytest

from tests.clients.adapters.confluent import ConfluentClient
from tests.clients.adapters.group_members import MEMBERS, AioMember, ConfluentMember, PythonMember
from tests.clients.test_kcat import KCAT
from tests.support.tools import need
from tests.support.waiting import eventually
from tests.support.wire.records import numbered

PARTITIONS = 4


@pytest.fixture
def topic(raw):
    return raw.create_topic(partitions=PARTITIONS)


@pytest.fixture
def group(topic):
    return f"readers of {topic}"


def produced(broker, topic, count):
    """So many records into each partition; all (partition, offset) that are there now."""
    ends = {}
    for partition in range(PARTITIONS):
        offsets = ConfluentClient().produce(
            broker.address, topic, numbered(count), partition=partition
        )
        ends[partition] = offsets[-1] + 1
    return {(partition, n) for partition, end in ends.items() for n in range(end)}


def has_read(everything, *members):
    def look():
        return set().union(*(one.read for one in members)) >= everything

    return look


@pytest.fixture(params=MEMBERS, ids=lambda member: member.name)
def member(request):
    return request.param


def test_a_group_reads_everything_and_continues_where_it_stopped(member, broker, topic, group):
    first = produced(broker, topic, 25)
    with member(broker.address, topic, group) as one:
        eventually(has_read(first, one), what="all of the first records")
    assert sorted(one.read) == sorted(first)
    everything = produced(broker, topic, 10)
    with member(broker.address, topic, group) as again:
        eventually(has_read(everything - first, again), what="the records that came since")
    assert sorted(again.read) == sorted(everything - first)


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky"])
def test_members_share_partitions_and_take_over_from_each_other(strategy, broker, topic, group):
    options = {"partition.assignment.strategy": strategy}
    everything = set(range(PARTITIONS))
    with ConfluentMember(broker.address, topic, group, **options) as stays:
        eventually(lambda: stays.assigned == everything, what="all partitions for the first")
        with ConfluentMember(broker.address, topic, group, **options) as leaves:
            eventually(
                lambda: (
                    len(stays.assigned) == len(leaves.assigned) == PARTITIONS // 2
                    and not stays.assigned & leaves.assigned
                ),
                what="half of them for each",
            )
        eventually(lambda: stays.assigned == everything, what="all again for who stayed")


def test_clients_of_three_libraries_are_one_group(broker, topic, group):
    with ExitStack() as stack:
        members = [
            stack.enter_context(one(broker.address, topic, group))
            for one in (ConfluentMember, AioMember, PythonMember)
        ]
        eventually(
            lambda: (
                all(one.assigned for one in members)
                and sum(len(one.assigned) for one in members) == PARTITIONS
            ),
            what="partitions for each of three",
        )
        everything = produced(broker, topic, 20)
        eventually(has_read(everything, *members), what="all records, by whomever")
    reads = [read for one in members for read in one.read]
    assert sorted(reads) == sorted(everything)


def test_a_static_member_comes_back_without_a_rebalance(broker, topic, group):
    everything = set(range(PARTITIONS))
    with ConfluentMember(broker.address, topic, group, **{"group.instance.id": "a"}) as stays:
        eventually(lambda: stays.assigned == everything, what="all partitions")
        with ConfluentMember(broker.address, topic, group, **{"group.instance.id": "b"}) as before:
            eventually(lambda: len(before.assigned) == 2, what="half of them")
            given = before.assigned
        seen = stays.assignments
        with ConfluentMember(broker.address, topic, group, **{"group.instance.id": "b"}) as after:
            eventually(lambda: after.assigned == given, what="the same as before")
        assert stays.assignments == seen


def test_kcat_joins_a_group(broker, topic, group):
    need(KCAT, "kcat")
    everything = produced(broker, topic, 5)
    command = [KCAT, "-b", broker.address, "-G", group, "-e", "-q"]
    options = ["-X", "auto.offset.reset=earliest", "-f", "%p %o\n"]
    done = subprocess.run(
        [*command, *options, topic], capture_output=True, check=True, timeout=60, text=True
    )
    read = {tuple(map(int, line.split())) for line in done.stdout.splitlines()}
    assert read == everything
