"""What a Fetch asks for: partitions as their logs, or why there is none."""

from typing import Final, NamedTuple

from common.ports.partitions import LogId
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.lookup import resolve_partition
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


def asked_partitions(request: FetchRequest, context: RequestContext) -> list[Asked]:
    """What is asked for; a partition that is there twice counts once, as the last says."""
    asked: dict[tuple[str, bytes, int], Asked] = {}
    for topic in request.topics:
        named = topic.topic if context.api_version < _TOPIC_IDS_SINCE else topic.topic_id
        for one in topic.partitions:
            found = resolve_partition(context.backends.view, named, one.partition)
            key = (topic.topic, topic.topic_id, one.partition)
            if isinstance(found, ErrorCode):
                asked[key] = Asked(topic, one, None, found)
            else:
                asked[key] = Asked(topic, one, found.log)
    return list(asked.values())


def lost(asked: Asked) -> Asked:
    """The same where the owner does not answer: retriable, as it may be back soon."""
    if asked.log is None:
        return asked
    return asked._replace(log=None, error_code=ErrorCode.NOT_LEADER_OR_FOLLOWER)
