"""Client libraries of other languages, unmodified: what their users do with a broker."""

from contextlib import ExitStack

import pytest

from tests.interop.libraries import LIBRARIES, SHARING
from tests.interop.program import Place
from tests.support.clients.raw_client import RawClient
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import Record

GROUP_IS_NOT_THERE, TOPIC_IS_THERE, NO_TRANSACTIONS = 69, 36, 53
#: REQUEST_TIMED_OUT and NOT_LEADER_OR_FOLLOWER: producers try again.
NOT_YET = (7, 6)
COUNT = 20


def produced(library, broker, topic, codecs):
    """The program that produced, and prints where."""
    with library.start("produce", broker.address, topic, str(COUNT), *codecs) as program:
        pass
    assert len(program.answers) == COUNT * len(codecs)
    return program


def appended(raw, topic, partitions):
    """The same records without a client library, which starts in no time."""
    batch = record_batch(
        [Record(b"value %d" % n, b"key %d" % n, [("kind", b"interop")]) for n in range(COUNT)]
    )

    def stored(partition):
        """Partitions and offsets of the records. A new gateway may not know the owner yet."""

        def look():
            produced = raw.produce(topic, batch, partition=partition)
            assert produced.error_code in (0, *NOT_YET)
            return None if produced.error_code else produced

        return eventually(look, what="an owner that answers").base_offset

    return [
        Place(partition, base_offset + n)
        for partition in range(partitions)
        for base_offset in [stored(partition)]
        for n in range(COUNT)
    ]


def member(library, broker, topic, *more):
    return library.start("consume", broker.address, topic, f"readers-of-{topic}", *more)


def test_a_group_consumes_produced_records_and_continues_later(library, broker, raw, calm):
    topic = raw.create_topic(partitions=len(library.codecs))
    first = produced(library, broker, topic, library.codecs)
    everything = {Place(p, n) for p in range(len(library.codecs)) for n in range(COUNT)}
    assert sorted(first.read) == sorted(everything)
    # Found by time, also where the producer left that out of its batches' headers.
    assert {raw.offset_at(topic, 1000, partition=p) for p in range(len(library.codecs))} == {0}
    with member(library, broker, topic, library.assignors[0]) as one:
        one.wait_for_records(everything)
    assert sorted(one.read) == sorted(everything)
    for record in one.records:
        number = record["offset"]
        assert record["key"] == f"key {number}"
        assert record["value"] == f"value {number}"
        assert record["kind"] == "interop"
    later = produced(library, broker, topic, library.codecs)
    with member(library, broker, topic, library.assignors[0]) as again:
        again.wait_for_records(later.read)
    assert sorted(again.read) == sorted(later.read)
    for program in (first, one, later, again):
        calm(library, program)


CHOICES = [
    pytest.param(library, assignor, id=f"{library.name}, {assignor}")
    for library in LIBRARIES
    for assignor in library.assignors
]


@pytest.mark.parametrize(("library", "assignor"), CHOICES)
def test_members_share_partitions_and_take_over_from_each_other(
    library, assignor, broker, raw, calm
):
    topic = raw.create_topic(partitions=4)
    with member(library, broker, topic, assignor) as stays:
        stays.wait_for_assignment(4)
        with member(library, broker, topic, assignor) as leaves:
            shares = [one.wait_for_assignment(2) for one in (stays, leaves)]
            assert set.union(*shares) == set(range(4))
        stays.wait_for_assignment(4)
        places = appended(raw, topic, 4)
        stays.wait_for_records(places)
    assert sorted(stays.read) == sorted(places)
    calm(library, stays)
    calm(library, leaves)


@pytest.mark.parametrize(
    "library", [one for one in LIBRARIES if one.has_static_members], ids=lambda one: one.name
)
def test_a_static_member_comes_back_without_a_rebalance(library, broker, raw):
    topic = raw.create_topic(partitions=4)
    with member(library, broker, topic, "range", "a") as stays:
        stays.wait_for_assignment(4)
        with member(library, broker, topic, "range", "b") as before:
            given = before.wait_for_assignment(2)
            stays.wait_for_assignment(2)
        seen = len(stays.assignments)
        with member(library, broker, topic, "range", "b") as after:
            assert after.wait_for_assignment(2) == given
            assert len(stays.assignments) == seen


def test_libraries_of_several_languages_are_one_group(broker, raw):
    topic = raw.create_topic(partitions=6)
    with ExitStack() as stack:
        members = [
            stack.enter_context(member(library, broker, topic, "range")) for library in SHARING
        ]
        shares = [one.wait_for_assignment(2) for one in members]
        assert set.union(*shares) == set(range(6))
        everything = [
            place
            for library in LIBRARIES
            for place in produced(library, broker, topic, ["snappy"] * 6).read
        ]
        for one, share in zip(members, shares, strict=True):
            one.wait_for_records(place for place in everything if place.partition in share)
    assert sorted(place for one in members for place in one.read) == sorted(everything)


def test_an_administrator_is_answered(library, broker, raw):
    topic, group = raw.create_topic() + "-made", "a-group"
    with library.start("admin", broker.address) as admin:

        def answer(line):
            return admin.ask(line.format(topic=topic, group=group))

        assert answer("create {topic} 3") == {"is": True}
        assert answer("create {topic} 3") in ({"error": TOPIC_IS_THERE}, {"is": False})
        assert topic in answer("topics")["is"]
        assert answer("partitions {topic}") == {"is": 3}
        assert answer("retention {topic}") == {"is": "1234567"}
        cluster = answer("cluster")["is"]
        assert cluster == {"id": raw.metadata().cluster_id, "brokers": [broker.address]}
        appended(raw, topic, 3)
        assert answer("offsets {topic} -1") == {"is": {"0": COUNT, "1": COUNT, "2": COUNT}}
        assert answer("offsets {topic} -2") == {"is": {"0": 0, "1": 0, "2": 0}}
        assert answer("offsets {topic} 1000") == {"is": {"0": 0, "1": 0, "2": 0}}
        assert answer("commit {group} {topic} 1 7") == {"is": True}
        assert answer("committed {group}") == {"is": {"1": 7}}
        assert group in answer("groups")["is"]
        assert answer("group {group}") == {"is": {"state": "Empty", "members": 0}}
        assert answer("delete-group {group}") == {"is": True}
        assert answer("delete-group {group}") == {"error": GROUP_IS_NOT_THERE}
        # Java's client makes an exception of its own of the code.
        assert answer("transaction of-mine") in ({"error": NO_TRANSACTIONS}, {"error": -1})
        assert answer("delete {topic}") == {"is": True}
        # Not asked of the library, which may answer from what it knows.
        assert topic not in {one.name for one in raw.metadata().topics}


def test_members_outlive_a_restart_of_the_broker(broker):
    """Everything is killed at once and comes back on its address; consumers continue."""
    with ExitStack() as stack:
        with RawClient(broker.address) as raw:
            topics = [raw.create_topic(partitions=2) for _ in LIBRARIES]
            expected = [appended(raw, topic, 2) for topic in topics]
        members = [
            stack.enter_context(member(library, broker, topic, library.assignors[0]))
            for library, topic in zip(LIBRARIES, topics, strict=True)
        ]
        for one, places in zip(members, expected, strict=True):
            one.wait_for_records(places)
        broker.restart()
        with RawClient(broker.address) as raw:
            expected = [appended(raw, topic, 2) for topic in topics]
        for one, places in zip(members, expected, strict=True):
            one.wait_for_records(places)
        for one in members:
            # kafkajs may hang at its end when a connection was lost before.
            one.kill()
