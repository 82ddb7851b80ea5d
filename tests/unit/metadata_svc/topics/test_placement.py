from collections import Counter

from common.ports.metadata import Placement
from metadata_svc.topics.placement import place, ring_of

FIRST_ID, SECOND_ID = bytes(16), bytes([1]) * 16


def owners(topics):
    return [placement.owner for topic in topics for placement in topic]


def test_a_single_member_owns_all_partitions_from_the_first_epoch():
    assert place([(FIRST_ID, 2), (SECOND_ID, 1)], {"p"}, {}) == [
        (Placement("p", 0), Placement("p", 0)),
        (Placement("p", 0),),
    ]


def test_the_topics_of_one_request_are_spread_together():
    topics = [(bytes([number]) * 16, 1) for number in range(30)]
    assert Counter(owners(place(topics, {"a", "b", "c"}, {}))) == {"a": 10, "b": 10, "c": 10}


def test_a_member_with_more_partitions_gets_fewer_new_ones():
    shares = Counter(owners(place([(FIRST_ID, 30)], {"a", "b", "c"}, {"a": 30})))
    assert shares == {"b": 15, "c": 15}


def test_the_load_of_members_that_are_not_candidates_does_not_count():
    shares = Counter(owners(place([(FIRST_ID, 2)], {"a", "b"}, {"removed": 1_000})))
    assert shares == {"a": 1, "b": 1}


def test_a_ring_of_the_same_members_is_built_once():
    assert ring_of(frozenset("ab")) is ring_of(frozenset("ba"))
