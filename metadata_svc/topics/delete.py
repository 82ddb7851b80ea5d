"""Which topics may be deleted: pure decisions, nothing is stored or told here.

As ControllerApis.deleteTopics of Kafka: a topic that a request names twice, by name or id, stays.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from common.cluster.view import ClusterView
from common.ports.metadata import Topic, TopicRefusal, TopicResult


def decide_deletion(
    view: ClusterView, names: Sequence[str], topic_ids: Sequence[bytes]
) -> list[TopicResult]:
    """Results for `names`, then for `topic_ids`: with the `topic` that is to go, or a refusal."""
    named = [view.topic(name) for name in names]
    identified = [view.topic_by_id(topic_id) for topic_id in topic_ids]
    times = Counter(topic.topic_id for topic in (*named, *identified) if topic is not None)
    return [
        *(
            _deletion(topic, times, TopicResult(name, refusal=TopicRefusal.UNKNOWN_TOPIC))
            for name, topic in zip(names, named, strict=True)
        ),
        *(
            _deletion(
                topic, times, TopicResult(topic_id=one, refusal=TopicRefusal.UNKNOWN_TOPIC_ID)
            )
            for one, topic in zip(topic_ids, identified, strict=True)
        ),
    ]


def _deletion(topic: Topic | None, times: Mapping[bytes, int], unknown: TopicResult) -> TopicResult:
    if topic is None:
        return unknown
    if times[topic.topic_id] > 1:
        return TopicResult(
            topic.name,
            topic.topic_id,
            refusal=TopicRefusal.INVALID_REQUEST,
            message=f"Topic '{topic.name}' is named more than once.",
        )
    return TopicResult(topic.name, topic.topic_id, topic)
