import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from common.cluster.ring import HashRing, max_load

TOPIC = bytes(range(16))
KEYS = [(TOPIC, partition) for partition in range(12)]

#: Fixed: with other values every partition would move.
GOLDEN = [1, 2, 0, 0, 2, 1, 2, 1, 0, 1, 0, 2]
GOLDEN_SINGLE = [7, 2, 8, 6, 0, 1, 4, 5, 9, 3, 0, 7]


def names(count, start=0):
    return [f"partition-{number}" for number in range(start, start + count)]


def topics(counts, start=0):
    """Returns the keys of topics; `counts` has the number of partitions of each."""
    return [
        (number.to_bytes(16, "big"), partition)
        for number, count in enumerate(counts, start=start)
        for partition in range(count)
    ]


def place_all(ring, keys):
    return dict(zip(keys, ring.place(keys, {}), strict=True))


def loads(current, members):
    counts = Counter(current.values())
    return [counts[name] for name in members]


def test_owners_are_the_same_in_every_release():
    assert HashRing(names(3)).place(KEYS, {}) == [f"partition-{number}" for number in GOLDEN]
    single = [(bytes([number] * 16), 0) for number in range(12)]
    assert HashRing(names(10)).place(single, {}) == [
        f"partition-{number}" for number in GOLDEN_SINGLE
    ]


def test_owners_are_the_same_in_every_process():
    program = (
        "from common.cluster.ring import HashRing\n"
        "keys = [(bytes(range(16)), partition) for partition in range(12)]\n"
        "print(*HashRing({'partition-0', 'partition-1', 'partition-2'}).place(keys, {}))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == [f"partition-{number}" for number in GOLDEN]


def test_a_ring_without_members_is_refused():
    with pytest.raises(ValueError, match="at least one member"):
        HashRing([])


def test_a_single_member_owns_all_partitions():
    ring = HashRing(["partition-0"])
    assert set(ring.place(KEYS, {})) == {"partition-0"}
    assert ring.rebalance(dict.fromkeys(KEYS, "partition-9")) == dict.fromkeys(KEYS, "partition-0")
    assert ring.rebalance({}) == {}


@pytest.mark.parametrize(
    ("partitions", "members", "expected"),
    [
        (0, 3, 0),
        (1, 3, 1),
        (3, 3, 1),
        (4, 3, 2),
        (10, 3, 4),
        (12, 3, 5),
        (100, 3, 41),
        (10, 1000, 1),
    ],
)
def test_the_max_load_is_a_quarter_above_the_average_or_the_next_whole_partition(
    partitions, members, expected
):
    assert max_load(partitions, members) == expected


@given(members=st.integers(3, 1_000), partitions=st.integers(10, 1_000_000))
def test_the_max_loads_add_up_to_the_total(members, partitions):
    assert max_load(partitions, members) * members >= partitions
    assert max_load(partitions, members) <= max(
        partitions / members * 1.25, -(-partitions // members)
    )


@settings(max_examples=40, deadline=None)
@given(members=st.integers(3, 40), counts=st.lists(st.integers(1, 60), min_size=10, max_size=40))
def test_loads_and_topics_are_spread_evenly(members, counts):
    ring = HashRing(names(members))
    current = place_all(ring, topics(counts))
    spread = loads(current, ring.members)
    assert max(spread) - min(spread) <= 1
    for number in range(len(counts)):
        of_topic = {key: owner for key, owner in current.items() if key[0][-1] == number}
        in_topic = loads(of_topic, ring.members)
        assert max(in_topic) - min(in_topic) <= 1


@settings(max_examples=40, deadline=None)
@given(
    members=st.integers(3, 40),
    counts=st.lists(st.integers(1, 60), min_size=10, max_size=40),
    leaver_index=st.integers(0, 39),
)
def test_a_member_that_joins_or_leaves_moves_one_share_and_nothing_else(
    members, counts, leaver_index
):
    ring = HashRing(names(members))
    current = place_all(ring, topics(counts))
    newcomer = f"partition-{members}"
    moves = HashRing([*ring.members, newcomer]).rebalance(current)
    assert len(moves) <= -(-len(current) // (members + 1))
    assert set(moves.values()) <= {newcomer}

    leaver = ring.members[leaver_index % members]
    moves = HashRing(set(ring.members) - {leaver}).rebalance(current)
    assert moves.keys() == {key for key, owner in current.items() if owner == leaver}


def test_most_partitions_of_a_new_member_reach_it_first():
    ring = HashRing(names(10))
    current = place_all(ring, topics([1] * 2_000))
    larger = HashRing(names(11))
    natural_owners = place_all(larger, topics([1] * 2_000))
    moves = larger.rebalance(current)
    natural_moves = [key for key in moves if natural_owners[key] == "partition-10"]
    # With a random choice it would be one in eleven.
    assert len(natural_moves) > len(moves) / 3


def test_an_interrupted_rebalance_to_a_new_member_continues():
    ring = HashRing(names(5))
    current = place_all(ring, topics([7] * 100))
    larger = HashRing(names(6))
    moves = larger.rebalance(current)
    halfway = {**current, **dict(list(moves.items())[: len(moves) // 2])}
    rest = larger.rebalance(halfway)
    assert len(rest) == len(moves) - len(moves) // 2
    assert loads({**halfway, **rest}, larger.members) == loads({**current, **moves}, larger.members)


def test_the_order_of_arguments_does_not_matter():
    members, keys = names(7), topics([11] * 30)
    current = place_all(HashRing(members), keys)
    other = HashRing(reversed(members))
    assert place_all(other, keys) == current
    changed = set(members[1:]) | {"another"}
    backwards = dict(reversed(current.items()))
    assert HashRing(changed).rebalance(current) == HashRing(sorted(changed)).rebalance(backwards)


def test_partitions_of_leaving_members_are_counted():
    # The three members will have 30 partitions, ten each, when the leaving one has none.
    ring = HashRing(names(3))
    owners = ring.place(topics([15]), {"partition-0": 5, "partition-8": 10})
    assert sorted(Counter(owners).values()) == [5, 5, 5]


def test_a_full_member_gets_none_of_a_new_topic():
    owners = HashRing(names(3)).place(
        topics([3]), {"partition-0": 100, "partition-1": 50, "partition-2": 50}
    )
    assert "partition-0" not in owners


def test_members_above_the_max_load_give_up_their_excess():
    ring = HashRing(names(3))
    keys = topics([30])
    moves = ring.rebalance(dict.fromkeys(keys, "partition-0"))
    assert loads({**dict.fromkeys(keys, "partition-0"), **moves}, ring.members) == [10, 10, 10]


class RingStateMachine(RuleBasedStateMachine):
    """Creates and deletes topics, adds and removes members; checks loads after each change."""

    @initialize(members=st.integers(3, 12), counts=st.lists(st.integers(1, 40), min_size=10))
    def start(self, members, counts):
        self.ring = HashRing(names(members))
        self.names_used = members
        self.topics = 0
        self.current = {}
        for count in counts:
            self.create_topic(count)

    def is_even(self):
        spread = loads(self.current, self.ring.members)
        return max(spread) - min(spread) <= 1

    @rule(count=st.integers(1, 40))
    def create_topic(self, count):
        was_even = self.is_even()
        keys = topics([count], start=self.topics)
        self.topics += 1
        owners = self.ring.place(keys, Counter(self.current.values()))
        self.current.update(zip(keys, owners, strict=True))
        assert self.is_even() or not was_even

    @precondition(lambda self: len(self.current) > 100)
    @rule(data=st.data())
    def delete_topic(self, data):
        topic_id = data.draw(st.sampled_from(sorted({key[0] for key in self.current})))
        self.current = {key: owner for key, owner in self.current.items() if key[0] != topic_id}

    @rule()
    def add_member(self):
        newcomer = f"partition-{self.names_used}"
        self.names_used += 1
        self._change([*self.ring.members, newcomer])

    @precondition(lambda self: len(self.ring.members) > 3)
    @rule(data=st.data())
    def remove_member(self, data):
        self._change(set(self.ring.members) - {data.draw(st.sampled_from(self.ring.members))})

    def _change(self, members):
        was_even, larger = self.is_even(), max(len(members), len(self.ring.members))
        self.ring = HashRing(members)
        moves = self.ring.rebalance(self.current)
        assert all(self.current[key] != owner for key, owner in moves.items())
        self.current.update(moves)
        if was_even:
            assert len(moves) <= -(-len(self.current) // larger)
            assert self.is_even()
        spread = loads(self.current, self.ring.members)
        assert sum(spread) == len(self.current)
        assert max(spread) <= max_load(len(self.current), len(self.ring.members))
        assert min(spread) >= len(self.current) // len(self.ring.members)
        assert self.ring.rebalance(self.current) == {}


TestRingStateMachine = RingStateMachine.TestCase
TestRingStateMachine.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
