"""Validation of DeleteTopics requests: pure decisions, nothing is stored or sent here.

A topic that one request names twice, by name or id, is not deleted, as in Kafka's
ControllerApis.deleteTopics.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from common.cluster.view import ClusterView
from common.ports.metadata import Topic, TopicRefusal, TopicResult


def decide_deletion(
    view: ClusterView, names: Sequence[str], topic_ids: Sequence[bytes]
) -> list[TopicResult]:
    """Returns results for `names`, then for `topic_ids`: the `topic` to delete, or a refusal."""
    named = [view.topic(name) for name in names]
    identified = [view.topic_by_id(topic_id) for topic_id in topic_ids]
    counts = Counter(topic.topic_id for topic in (*named, *identified) if topic is not None)
    return [
        *(
            _deletion(topic, counts, TopicResult(name, refusal=TopicRefusal.UNKNOWN_TOPIC))
            for name, topic in zip(names, named, strict=True)
        ),
        *(
            _deletion(
                topic,
                counts,
                TopicResult(topic_id=topic_id, refusal=TopicRefusal.UNKNOWN_TOPIC_ID),
            )
            for topic_id, topic in zip(topic_ids, identified, strict=True)
        ),
    ]


def _deletion(
    topic: Topic | None, counts: Mapping[bytes, int], unknown: TopicResult
) -> TopicResult:
    if topic is None:
        return unknown
    if counts[topic.topic_id] > 1:
        return TopicResult(
            topic.name,
            topic.topic_id,
            refusal=TopicRefusal.INVALID_REQUEST,
            message=f"Topic '{topic.name}' is named more than once.",
        )
    return TopicResult(topic.name, topic.topic_id, topic)
