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
    assignment = assign_ranges([subscriber("y", A, B), subscriber("x", A)], {A: 3, B: 2})
    assert assignment == {"x": {(A, 0), (A, 1)}, "y": {(A, 2), (B, 0), (B, 1)}}


def test_range_orders_static_members_by_instance_id():
    members = [subscriber("x", A, instance_id="2"), subscriber("y", A, instance_id="1")]
    assert assign_ranges(members, {A: 2}) == {"y": {(A, 0)}, "x": {(A, 1)}}


def test_range_assigns_static_members_first():
    members = [subscriber("a", A), subscriber("z", A, instance_id="9"), subscriber("b", A)]
    assignment = assign_ranges(members, {A: 3})
    assert assignment == {"z": {(A, 0)}, "a": {(A, 1)}, "b": {(A, 2)}}


def test_uniform_shares_differ_by_one_at_most():
    assignment = assign_uniformly([subscriber(name, A, B) for name in "xyz"], {A: 5, B: 2})
    assert sorted(map(len, assignment.values())) == [2, 2, 3]


def test_uniform_moves_as_few_partitions_as_possible():
    before = {(A, partition) for partition in range(4)}
    assignment = assign_uniformly([subscriber("x", A, before=before), subscriber("y", A)], {A: 4})
    assert assignment["x"] < before
    assert len(assignment["x"]) == len(assignment["y"]) == 2
    members = [subscriber(name, A, before=assignment[name]) for name in "xy"]
    assert assign_uniformly(members, {A: 4}) == assignment


def test_only_partitions_of_removed_members_move():
    members = [subscriber(name, A) for name in "xyz"]
    before = assign_uniformly(members, {A: 6})
    remaining = [subscriber(name, A, before=before[name]) for name in "xy"]
    after = assign_uniformly(remaining, {A: 6})
    assert all(before[name] <= after[name] for name in "xy")


@pytest.mark.parametrize("assign", ASSIGNORS.values(), ids=ASSIGNORS)
@pytest.mark.parametrize("seed", range(50))
def test_each_partition_has_one_subscribed_member(assign, seed):
    rng = random.Random(seed)
    counts = {bytes([n]) * 16: rng.randrange(9) for n in range(rng.randrange(1, 5))}
    all_partitions = [(topic, n) for topic, count in counts.items() for n in range(count + 2)]
    members = [
        subscriber(
            str(n),
            *rng.sample(sorted(counts), rng.randint(0, len(counts))),
            before=rng.sample(all_partitions, rng.randint(0, len(all_partitions))),
        )
        for n in range(rng.randrange(1, 8))
    ]
    assignment = assign(members, counts)
    assigned = [partition for partitions in assignment.values() for partition in partitions]
    subscribed = {topic for member in members for topic in member.topic_ids}
    assert sorted(assigned) == sorted((t, n) for t in subscribed for n in range(counts[t]))
    assert all(
        topic in member.topic_ids for member in members for topic, _ in assignment[member.member_id]
    )


@pytest.mark.parametrize("seed", range(50))
def test_uniform_is_even_among_the_subscribers_of_a_topic(seed):
    rng = random.Random(seed)
    counts = {A: rng.randrange(12), B: rng.randrange(12)}
    members = [subscriber(str(n), *rng.choice([(A,), (B,), (A, B)])) for n in range(5)]
    assignment = assign_uniformly(members, counts)
    for member in members:
        for topic, _ in assignment[member.member_id]:
            others = [
                len(assignment[other.member_id]) for other in members if topic in other.topic_ids
            ]
            assert len(assignment[member.member_id]) - min(others) < 2
