"""Classic and consumer groups with real clients."""

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


def produce(broker, topic, count):
    """Produces `count` records to each partition; returns (partition, offset) of all records."""
    ends = {}
    for partition in range(PARTITIONS):
        offsets = ConfluentClient().produce(
            broker.address, topic, numbered(count), partition=partition
        )
        ends[partition] = offsets[-1] + 1
    return {(partition, n) for partition, end in ends.items() for n in range(end)}


def have_read(expected, *members):
    """Returns a predicate that is true once `members` have read all `expected` records."""

    def have_read_all():
        return set().union(*(member.read for member in members)) >= expected

    return have_read_all


@pytest.fixture(params=MEMBERS, ids=lambda member: member.name)
def member(request):
    return request.param


def test_a_group_reads_all_records_and_continues_at_its_commits(member, broker, topic, group):
    old_records = produce(broker, topic, 25)
    with member(broker.address, topic, group) as reader:
        eventually(have_read(old_records, reader), what="all of the first records")
    assert sorted(reader.read) == sorted(old_records)
    new_records = produce(broker, topic, 10) - old_records
    with member(broker.address, topic, group) as reader:
        eventually(have_read(new_records, reader), what="the new records")
    assert sorted(reader.read) == sorted(new_records)


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky"])
def test_members_share_partitions_and_take_over_those_of_a_member_that_leaves(
    strategy, broker, topic, group
):
    options = {"partition.assignment.strategy": strategy}
    all_partitions = set(range(PARTITIONS))
    with ConfluentMember(broker.address, topic, group, **options) as first:
        eventually(lambda: first.assigned == all_partitions, what="all partitions for the first")
        with ConfluentMember(broker.address, topic, group, **options) as second:
            eventually(
                lambda: (
                    len(first.assigned) == len(second.assigned) == PARTITIONS // 2
                    and not first.assigned & second.assigned
                ),
                what="half of the partitions for each member",
            )
        eventually(
            lambda: first.assigned == all_partitions, what="all partitions for the first again"
        )


def test_clients_of_three_libraries_form_one_group(broker, topic, group):
    with ExitStack() as stack:
        members = [
            stack.enter_context(kind(broker.address, topic, group))
            for kind in (ConfluentMember, AioMember, PythonMember)
        ]
        eventually(
            lambda: (
                all(member.assigned for member in members)
                and sum(len(member.assigned) for member in members) == PARTITIONS
            ),
            what="partitions for each of three members",
        )
        records = produce(broker, topic, 20)
        eventually(have_read(records, *members), what="all records, by any member")
    reads = [read for member in members for read in member.read]
    assert sorted(reads) == sorted(records)


def test_a_static_member_rejoins_without_a_rebalance(broker, topic, group):
    all_partitions = set(range(PARTITIONS))
    with ConfluentMember(broker.address, topic, group, **{"group.instance.id": "a"}) as first:
        eventually(lambda: first.assigned == all_partitions, what="all partitions")
        with ConfluentMember(broker.address, topic, group, **{"group.instance.id": "b"}) as before:
            eventually(lambda: len(before.assigned) == 2, what="half of the partitions")
            assigned = before.assigned
        assignments = first.assignments
        with ConfluentMember(broker.address, topic, group, **{"group.instance.id": "b"}) as after:
            eventually(lambda: after.assigned == assigned, what="the same partitions as before")
        assert first.assignments == assignments


def test_kcat_joins_a_group(broker, topic, group):
    need(KCAT, "kcat")
    records = produce(broker, topic, 5)
    command = [KCAT, "-b", broker.address, "-G", group, "-e", "-q"]
    options = ["-X", "auto.offset.reset=earliest", "-f", "%p %o\n"]
    completed = subprocess.run(
        [*command, *options, topic], capture_output=True, check=True, timeout=60, text=True
    )
    read = {tuple(map(int, line.split())) for line in completed.stdout.splitlines()}
    assert read == records
