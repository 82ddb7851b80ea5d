import pytest

from partition_svc.coordinator.consumer.topic_patterns import (
    InvalidPattern,
    compile_pattern,
    matching_topics,
    metadata_hash,
)
from tests.support.groups.consumer_groups import SimulatedConsumerGroup

TOPICS = {"orders": 3, "orders-eu": 1, "payments": 2}


def match_names(names, *expressions):
    return set(matching_topics(SimulatedConsumerGroup(**TOPICS).view, names, expressions))


def test_only_existing_names_match():
    assert match_names(["orders", "none"]) == {"orders"}


def test_expressions_match_whole_names():
    assert match_names([], "orders") == {"orders"}
    assert match_names(["payments"], "orders.*") == set(TOPICS)


@pytest.mark.parametrize(
    "expression", ["(", "a**", "(?=x)", "a{1001}", "(" + "a{1000}" * 9 + "){1000}"]
)
def test_invalid_expression_is_rejected(expression):
    with pytest.raises(InvalidPattern):
        compile_pattern(expression)


def test_hash_changes_with_ids_and_counts_only():
    def hash_of(**topics):
        return metadata_hash(matching_topics(SimulatedConsumerGroup(**topics).view, topics, []))

    assert hash_of(a=1, b=2) == hash_of(b=2, a=1)
    assert len({hash_of(a=1, b=2), hash_of(a=1, b=3), hash_of(a=1), hash_of()}) == 4
