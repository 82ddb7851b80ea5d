"""What a Fetch asks for: partitions as their logs, or why there is none."""

from typing import Final, NamedTuple

from common.ports.metadata import Topic
from common.ports.partitions import LogId
from gateway_svc.dispatch.context import Call
from gateway_svc.wire.apis.fetch import EpochEndOffset, FetchPartition, FetchRequest, FetchTopic
from gateway_svc.wire.error_code import ErrorCode

#: Since this version topics are named by their ids (KIP-516).
_TOPIC_IDS_SINCE: Final = 13


class Asked(NamedTuple):
    """One partition asked for: its log, or why there is none; and where the reader left it."""

    topic: FetchTopic
    partition: FetchPartition
    log: LogId | None
    error_code: ErrorCode = ErrorCode.NONE
    diverging: EpochEndOffset | None = None


def asked_partitions(request: FetchRequest, call: Call) -> list[Asked]:
    """What is asked for; a partition that is there twice counts once, as the last says."""
    asked: dict[tuple[str, bytes, int], Asked] = {}
    for topic in request.topics:
        found, unknown = _topic(topic, call)
        for one in topic.partitions:
            known = found is not None and 0 <= one.partition < len(found.partitions)
            key = (topic.topic, topic.topic_id, one.partition)
            if found is not None and known:
                asked[key] = Asked(topic, one, LogId(found.topic_id, one.partition))
            else:
                asked[key] = Asked(topic, one, None, unknown)
    return list(asked.values())


def _topic(asked: FetchTopic, call: Call) -> tuple[Topic | None, ErrorCode]:
    """The topic, and what to say of partitions that it does not have."""
    view = call.backends.view
    if call.api_version < _TOPIC_IDS_SINCE:
        return view.topic(asked.topic), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    # Never by name: a topic made again under an old name is another topic.
    topic = view.topic_by_id(asked.topic_id)
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if topic else ErrorCode.UNKNOWN_TOPIC_ID
    return topic, unknown


def lost(asked: Asked) -> Asked:
    """The same where the owner does not answer: retriable, as it may be back soon."""
    if asked.log is None:
        return asked
    return asked._replace(log=None, error_code=ErrorCode.NOT_LEADER_OR_FOLLOWER)
