from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_svc.cluster.leadership import Broker, LeaderAssignment, assign_leaders

TOPIC = b"orders----------"
GATEWAYS = st.sets(st.integers(0, 50), min_size=1, max_size=12)
BROKERS = [
    Broker(0, "gateway-0", 9092, "a"),
    Broker(1, "gateway-1", 9092, "b"),
    Broker(2, "gateway-2", 9092, "a"),
    Broker(3, "gateway-3", 9092, None),
]


def ids(gateways):
    return tuple(sorted(gateways))


@settings(max_examples=200)
@given(gateways=GATEWAYS, partitions=st.integers(1, 100), topic=st.binary(min_size=16, max_size=16))
def test_partitions_of_a_topic_are_spread_evenly(gateways, partitions, topic):
    leaders = assign_leaders(topic, partitions, ids(gateways))
    assert len(leaders) == partitions
    assert set(leaders) <= gateways
    counts = Counter(leaders)
    assert max(counts.values()) == -(-partitions // len(gateways))


def test_topics_of_one_partition_are_spread_evenly():
    counts = Counter(assign_leaders(bytes([n]) * 16, 1, (1, 2))[0] for n in range(200))
    assert min(counts.values()) > 60


def test_leaders_are_the_same_in_every_process_and_release():
    # Gateways of two releases run together while a cluster is upgraded.
    assert assign_leaders(TOPIC, 12, (0, 1, 2)) == (0, 1, 1, 1, 0, 1, 0, 2, 0, 2, 2, 2)


@pytest.mark.parametrize("gateways", range(2, 11))
def test_most_partitions_keep_their_leader_when_a_gateway_joins(gateways):
    before, after = tuple(range(gateways)), tuple(range(gateways + 1))
    changed = 0
    for number in range(100):
        pairs = zip(
            assign_leaders(bytes([number]) * 16, 60, before),
            assign_leaders(bytes([number]) * 16, 60, after),
            strict=True,
        )
        changed += sum(old != new for old, new in pairs)
    share = 100 * 60 / (gateways + 1)
    # The share of the new gateway must change, and some more, as all shares stay even. Round robin
    # would change nearly all.
    assert share * 0.9 < changed < share * 2


@given(partitions=st.integers(1, 40))
def test_clients_with_a_rack_get_leaders_in_it(partitions):
    in_rack = LeaderAssignment(BROKERS, "a").topic_leaders(TOPIC, partitions)
    assert {partition.leader for partition in in_rack} <= {0, 2}
    without_rack = LeaderAssignment(BROKERS, None).topic_leaders(TOPIC, partitions)
    assert LeaderAssignment(BROKERS, "unknown").topic_leaders(TOPIC, partitions) == without_rack


@pytest.mark.parametrize("rack", [None, "a", "b"])
def test_replicas_include_a_gateway_of_every_rack(rack):
    leadership = LeaderAssignment(BROKERS, rack)
    for partition, topic_leader in enumerate(leadership.topic_leaders(TOPIC, 40)):
        assert (
            leadership.leader(TOPIC, 40, partition)
            == topic_leader.leader
            == topic_leader.replicas[0]
        )
        readers = {
            name: leadership.preferred_replica(TOPIC, 40, partition, name) for name in ("a", "b")
        }
        assert readers["a"] in (0, 2)
        assert readers["b"] == 1
        assert set(topic_leader.replicas) == {topic_leader.leader, *readers.values()}
        assert len(topic_leader.replicas) == len(set(topic_leader.replicas))
        assert leadership.preferred_replica(TOPIC, 40, partition, "unknown") == topic_leader.leader


def test_gateways_in_one_rack_are_one_replica():
    one_rack = [broker._replace(rack="a") for broker in BROKERS]
    assert all(
        topic_leader.replicas == (topic_leader.leader,)
        for topic_leader in LeaderAssignment(one_rack, "a").topic_leaders(TOPIC, 9)
    )
