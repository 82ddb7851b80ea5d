"""Conversion of assignments between the forms of the log, of heartbeats and of classic members."""

from collections.abc import Iterable, Sequence

from common.ports.consumer_groups import OwnedPartitions
from partition_svc.coordinator.consumer.topic_patterns import Topics
from partition_svc.coordinator.records.stored_consumer import (
    Assignment,
    TopicPartition,
    partitions_by_topic,
)


def from_owned_partitions(owned: Sequence[OwnedPartitions]) -> Assignment:
    return frozenset((topic.topic_id, index) for topic in owned for index in topic.partitions)


def to_owned_partitions(assignment: Assignment) -> list[OwnedPartitions]:
    """Returns topics in the order of their ids, with partitions in order."""
    topics = partitions_by_topic(assignment)
    return [OwnedPartitions(topic_id, partitions) for topic_id, partitions in topics.items()]


def from_topic_names(partitions: Iterable[tuple[str, int]], topics: Topics) -> Assignment:
    """Returns the partitions of existing topics; others are left out."""
    found = ((topics.topic(name), index) for name, index in partitions)
    return frozenset((topic.topic_id, index) for topic, index in found if topic is not None)


def to_topic_names(assignment: Iterable[TopicPartition], topics: Topics) -> dict[str, list[int]]:
    """Returns partitions in order, by topic; deleted topics are left out."""
    found = (
        (topics.topic_by_id(topic_id), partitions)
        for topic_id, partitions in partitions_by_topic(assignment).items()
    )
    return {topic.name: partitions for topic, partitions in found if topic is not None}
