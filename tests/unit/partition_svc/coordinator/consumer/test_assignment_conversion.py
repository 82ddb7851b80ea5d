from partition_svc.coordinator.consumer.assignment_conversion import (
    from_topic_names,
    to_topic_names,
)
from tests.support.groups.consumer_groups import SimulatedConsumerGroup, topic_id

VIEW = SimulatedConsumerGroup(a=2, b=1).view
ALL_PARTITIONS = frozenset({(topic_id("a"), 1), (topic_id("a"), 0), (topic_id("b"), 0)})


def test_names_become_ids_and_back():
    assert from_topic_names([("a", 0), ("a", 1), ("b", 0)], VIEW) == ALL_PARTITIONS
    assert to_topic_names(ALL_PARTITIONS, VIEW) == {"a": [0, 1], "b": [0]}


def test_topics_that_do_not_exist_are_left_out():
    assert from_topic_names([("none", 0), ("b", 0)], VIEW) == {(topic_id("b"), 0)}
    assert to_topic_names([(topic_id("none"), 0)], VIEW) == {}
