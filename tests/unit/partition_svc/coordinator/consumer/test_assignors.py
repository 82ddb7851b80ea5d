import random

import pytest

from partition_svc.coordinator.consumer.assignors import (
    ASSIGNORS,
    Subscriber,
    assign_ranges,
    assign_uniformly,
)

A, B = b"a" * 16, b"b" * 16


def subscriber(name, *topics, before=(), instance_id=None):
    return Subscriber(name, instance_id, frozenset(topics), frozenset(before))


def test_uniform_is_the_default():
    assert next(iter(ASSIGNORS)) == "uniform"


def test_range_assigns_runs_of_each_topic_by_member_id():
    given = assign_ranges([subscriber("y", A, B), subscriber("x", A)], {A: 3, B: 2})
    assert given == {"x": {(A, 0), (A, 1)}, "y": {(A, 2), (B, 0), (B, 1)}}


def test_range_orders_static_members_by_instance_id():
    members = [subscriber("x", A, instance_id="2"), subscriber("y", A, instance_id="1")]
    assert assign_ranges(members, {A: 2}) == {"y": {(A, 0)}, "x": {(A, 1)}}


def test_range_assigns_static_members_first():
    members = [subscriber("a", A), subscriber("z", A, instance_id="9"), subscriber("b", A)]
    given = assign_ranges(members, {A: 3})
    assert given == {"z": {(A, 0)}, "a": {(A, 1)}, "b": {(A, 2)}}


def test_uniform_shares_differ_by_one_at_most():
    given = assign_uniformly([subscriber(name, A, B) for name in "xyz"], {A: 5, B: 2})
    assert sorted(map(len, given.values())) == [2, 2, 3]


def test_uniform_moves_no_more_than_it_must():
    before = {(A, partition) for partition in range(4)}
    given = assign_uniformly([subscriber("x", A, before=before), subscriber("y", A)], {A: 4})
    assert given["x"] < before
    assert len(given["x"]) == len(given["y"]) == 2
    again = [subscriber(name, A, before=given[name]) for name in "xy"]
    assert assign_uniformly(again, {A: 4}) == given


def test_only_partitions_of_removed_members_move():
    members = [subscriber(name, A) for name in "xyz"]
    before = assign_uniformly(members, {A: 6})
    left = [subscriber(name, A, before=before[name]) for name in "xy"]
    after = assign_uniformly(left, {A: 6})
    assert all(before[name] <= after[name] for name in "xy")


@pytest.mark.parametrize("assign", ASSIGNORS.values(), ids=ASSIGNORS)
@pytest.mark.parametrize("seed", range(50))
def test_each_partition_has_one_subscribed_member(assign, seed):
    rng = random.Random(seed)
    counts = {bytes([n]) * 16: rng.randrange(9) for n in range(rng.randrange(1, 5))}
    everything = [(topic, n) for topic, count in counts.items() for n in range(count + 2)]
    members = [
        subscriber(
            str(n),
            *rng.sample(sorted(counts), rng.randint(0, len(counts))),
            before=rng.sample(everything, rng.randint(0, len(everything))),
        )
        for n in range(rng.randrange(1, 8))
    ]
    given = assign(members, counts)
    from_owned_partitions = [part for parts in given.values() for part in parts]
    read = {topic for one in members for topic in one.topic_ids}
    assert sorted(from_owned_partitions) == sorted((t, n) for t in read for n in range(counts[t]))
    assert all(topic in one.topic_ids for one in members for topic, _ in given[one.member_id])


@pytest.mark.parametrize("seed", range(50))
def test_uniform_is_even_among_the_subscribers_of_a_topic(seed):
    rng = random.Random(seed)
    counts = {A: rng.randrange(12), B: rng.randrange(12)}
    members = [subscriber(str(n), *rng.choice([(A,), (B,), (A, B)])) for n in range(5)]
    given = assign_uniformly(members, counts)
    for one in members:
        for topic, _ in given[one.member_id]:
            others = [len(given[two.member_id]) for two in members if topic in two.topic_ids]
            assert len(given[one.member_id]) - min(others) < 2
