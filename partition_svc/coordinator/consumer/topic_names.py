"""Partitions by topic name, as classic members write them, and by topic id, as groups keep them."""

from collections.abc import Iterable

from partition_svc.coordinator.consumer.topic_patterns import Topics
from partition_svc.coordinator.records.stored_consumer import Assignment, TopicPartition


def ids_of(named: Iterable[tuple[str, int]], topics: Topics) -> Assignment:
    """Without topics that there are not."""
    found = ((topics.topic(name), partition) for name, partition in named)
    return frozenset((topic.topic_id, one) for topic, one in found if topic is not None)


def names_of(assigned: Iterable[TopicPartition], topics: Topics) -> dict[str, list[int]]:
    """Partitions in order, by topic; without topics that are gone."""
    named: dict[str, list[int]] = {}
    for topic_id, partition in sorted(assigned):
        topic = topics.topic_by_id(topic_id)
        if topic is not None:
            named.setdefault(topic.name, []).append(partition)
    return named
