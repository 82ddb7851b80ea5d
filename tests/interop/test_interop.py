"""Unmodified client libraries of other languages: produce, consume, administer."""

from contextlib import ExitStack

import pytest

from tests.interop.libraries import LIBRARIES, RANGE_LIBRARIES
from tests.interop.program import Position
from tests.support.clients.raw_client import RawClient
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import Record

GROUP_ID_NOT_FOUND, TOPIC_ALREADY_EXISTS, TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 69, 36, 53
#: REQUEST_TIMED_OUT and NOT_LEADER_OR_FOLLOWER.
RETRIABLE = (7, 6)
COUNT = 20


def run_producer(library, broker, topic, codecs):
    """Runs a program that produces and prints positions, and returns it."""
    with library.start("produce", broker.address, topic, str(COUNT), *codecs) as program:
        pass
    assert len(program.responses) == COUNT * len(codecs)
    return program


def append_records(raw, topic, partitions):
    """Produces the same records faster, without a client library; returns their positions."""
    batch = record_batch(
        [Record(b"value %d" % n, b"key %d" % n, [("kind", b"interop")]) for n in range(COUNT)]
    )

    def append(partition):
        """Returns the base offset. A new gateway may not know the owner of the partition yet."""

        def produce():
            response = raw.produce(topic, batch, partition=partition)
            assert response.error_code in (0, *RETRIABLE)
            return None if response.error_code else response

        return eventually(produce, what="an owner of the partition").base_offset

    return [
        Position(partition, base_offset + n)
        for partition in range(partitions)
        for base_offset in [append(partition)]
        for n in range(COUNT)
    ]


def group_of(topic):
    """Returns the id of the group that reads a topic."""
    return f"readers-of-{topic}"


def start_member(library, broker, topic, *arguments):
    return library.start("consume", broker.address, topic, group_of(topic), *arguments)


def test_group_consumes_produced_records_and_continues_later(
    library, broker, raw, assert_no_complaints
):
    topic = raw.create_topic(partitions=len(library.codecs))
    first = run_producer(library, broker, topic, library.codecs)
    expected = {Position(p, n) for p in range(len(library.codecs)) for n in range(COUNT)}
    assert sorted(first.positions) == sorted(expected)
    # Records are found by time also if the producer did not write it into the batch header.
    assert {raw.offset_at(topic, 1000, partition=p) for p in range(len(library.codecs))} == {0}
    with start_member(library, broker, topic, library.assignors[0]) as reader:
        reader.wait_for_records(expected)
    assert sorted(reader.positions) == sorted(expected)
    for record in reader.records:
        number = record["offset"]
        assert record["key"] == f"key {number}"
        assert record["value"] == f"value {number}"
        assert record["kind"] == "interop"
    later = run_producer(library, broker, topic, library.codecs)
    with start_member(library, broker, topic, library.assignors[0]) as next_reader:
        next_reader.wait_for_records(later.positions)
    assert sorted(next_reader.positions) == sorted(later.positions)
    for program in (first, reader, later, next_reader):
        assert_no_complaints(library, program)


CHOICES = [
    pytest.param(library, assignor, id=f"{library.name}, {assignor}")
    for library in LIBRARIES
    for assignor in library.assignors
]


@pytest.mark.parametrize(("library", "assignor"), CHOICES)
def test_members_share_partitions_and_take_over_from_each_other(
    library, assignor, broker, raw, assert_no_complaints
):
    topic = raw.create_topic(partitions=4)
    with start_member(library, broker, topic, assignor) as remaining:
        remaining.wait_for_assignment(4)
        with start_member(library, broker, topic, assignor) as leaving:
            shares = [member.wait_for_assignment(2) for member in (remaining, leaving)]
            assert set.union(*shares) == set(range(4))
        remaining.wait_for_assignment(4)
        positions = append_records(raw, topic, 4)
        remaining.wait_for_records(positions)
    assert sorted(remaining.positions) == sorted(positions)
    assert_no_complaints(library, remaining)
    assert_no_complaints(library, leaving)


@pytest.mark.parametrize(
    "library",
    [library for library in LIBRARIES if library.has_static_members],
    ids=lambda library: library.name,
)
def test_static_member_returns_without_a_rebalance(library, broker, raw):
    topic = raw.create_topic(partitions=4)
    with start_member(library, broker, topic, "range", "a") as remaining:
        remaining.wait_for_assignment(4)
        with start_member(library, broker, topic, "range", "b") as before:
            assigned = before.wait_for_assignment(2)
            remaining.wait_for_assignment(2)
        count = len(remaining.assignments)
        with start_member(library, broker, topic, "range", "b") as after:
            assert after.wait_for_assignment(2) == assigned
            assert len(remaining.assignments) == count


def test_libraries_of_several_languages_share_a_group(broker, raw):
    topic = raw.create_topic(partitions=6)
    with ExitStack() as stack:
        members = [
            stack.enter_context(start_member(library, broker, topic, "range"))
            for library in RANGE_LIBRARIES
        ]
        shares = [member.wait_for_assignment(2) for member in members]
        assert set.union(*shares) == set(range(6))
        produced = [
            position
            for library in LIBRARIES
            for position in run_producer(library, broker, topic, ["snappy"] * 6).positions
        ]
        for member, share in zip(members, shares, strict=True):
            member.wait_for_records(item for item in produced if item.partition in share)
    read = [position for member in members for position in member.positions]
    assert sorted(read) == sorted(produced)


def test_administration_of_topics_groups_and_offsets_works(library, broker, raw):
    topic, group = raw.create_topic() + "-created", "a-group"
    with library.start("admin", broker.address) as admin:

        def send(line):
            return admin.send(line.format(topic=topic, group=group))

        assert send("create {topic} 3") == {"is": True}
        assert send("create {topic} 3") in ({"error": TOPIC_ALREADY_EXISTS}, {"is": False})
        assert topic in send("topics")["is"]
        assert send("partitions {topic}") == {"is": 3}
        assert send("retention {topic}") == {"is": "1234567"}
        cluster = send("cluster")["is"]
        assert cluster == {"id": raw.metadata().cluster_id, "brokers": [broker.address]}
        append_records(raw, topic, 3)
        assert send("offsets {topic} -1") == {"is": {"0": COUNT, "1": COUNT, "2": COUNT}}
        assert send("offsets {topic} -2") == {"is": {"0": 0, "1": 0, "2": 0}}
        assert send("offsets {topic} 1000") == {"is": {"0": 0, "1": 0, "2": 0}}
        assert send("commit {group} {topic} 1 7") == {"is": True}
        assert send("committed {group}") == {"is": {"1": 7}}
        assert group in send("groups")["is"]
        assert send("group {group}") == {"is": {"state": "Empty", "members": 0}}
        assert send("delete-group {group}") == {"is": True}
        assert send("delete-group {group}") == {"error": GROUP_ID_NOT_FOUND}
        # The Java client raises an exception of its own, which has no code.
        assert send("transaction of-mine") in (
            {"error": TRANSACTIONAL_ID_AUTHORIZATION_FAILED},
            {"error": -1},
        )
        assert send("delete {topic}") == {"is": True}
        # Checked without the library, which may have cached the topics.
        assert topic not in {described.name for described in raw.metadata().topics}


def test_members_continue_after_a_restart_of_the_broker(broker):
    """All processes are killed at once and restarted at the same addresses."""
    with ExitStack() as stack:
        with RawClient(broker.address) as raw:
            topics = [raw.create_topic(partitions=2) for _ in LIBRARIES]
            expected = [append_records(raw, topic, 2) for topic in topics]
        members = [
            stack.enter_context(start_member(library, broker, topic, library.assignors[0]))
            for library, topic in zip(LIBRARIES, topics, strict=True)
        ]
        for member, positions in zip(members, expected, strict=True):
            member.wait_for_records(positions)
        broker.restart()
        with RawClient(broker.address) as raw:
            expected = [append_records(raw, topic, 2) for topic in topics]
        for member, positions in zip(members, expected, strict=True):
            member.wait_for_records(positions)
        for member in members:
            # kafkajs may hang when it stops after a connection was lost.
            member.kill()
