import pytest

from partition_svc.coordinator.consumer.topic_patterns import (
    InvalidPattern,
    compiled,
    matching_topics,
    metadata_hash,
)
from tests.support.groups.consumer_groups import SimulatedConsumerGroup

TOPICS = {"orders": 3, "orders-eu": 1, "payments": 2}


def names(wanted, *expressions):
    return set(matching_topics(SimulatedConsumerGroup(**TOPICS).view, wanted, expressions))


def test_only_existing_names_match():
    assert names(["orders", "none"]) == {"orders"}


def test_expressions_match_whole_names():
    assert names([], "orders") == {"orders"}
    assert names(["payments"], "orders.*") == set(TOPICS)


@pytest.mark.parametrize("wrong", ["(", "a**", "(?=x)", "a{1001}", "(" + "a{1000}" * 9 + "){1000}"])
def test_invalid_expression_is_rejected(wrong):
    with pytest.raises(InvalidPattern):
        compiled(wrong)


def test_hash_changes_with_ids_and_counts_only():
    def of(**topics):
        return metadata_hash(matching_topics(SimulatedConsumerGroup(**topics).view, topics, []))

    assert of(a=1, b=2) == of(b=2, a=1)
    assert len({of(a=1, b=2), of(a=1, b=3), of(a=1), of()}) == 4
