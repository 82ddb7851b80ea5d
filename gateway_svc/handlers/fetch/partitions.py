"""Partitions of a Fetch request, resolved to their logs or to an error."""

from typing import Final, NamedTuple

from common.ports.partitions import LogId
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.lookup import resolve_partition
from gateway_svc.wire.apis.fetch import EpochEndOffset, FetchPartition, FetchRequest, FetchTopic
from gateway_svc.wire.error_code import ErrorCode

#: Since this version topics are named by their ids (KIP-516).
_TOPIC_IDS_SINCE: Final = 13


class RequestedPartition(NamedTuple):
    """One requested partition: its log or its error, and where the reader's log diverges."""

    topic: FetchTopic
    request: FetchPartition
    log: LogId | None
    error_code: ErrorCode = ErrorCode.NONE
    diverging: EpochEndOffset | None = None


def requested_partitions(
    request: FetchRequest, context: RequestContext
) -> list[RequestedPartition]:
    """Resolves the partitions. Of a repeated partition the last one counts."""
    requested: dict[tuple[str, bytes, int], RequestedPartition] = {}
    for topic in request.topics:
        name_or_id = topic.topic if context.api_version < _TOPIC_IDS_SINCE else topic.topic_id
        for partition in topic.partitions:
            found = resolve_partition(context.backends.view, name_or_id, partition.partition)
            key = (topic.topic, topic.topic_id, partition.partition)
            if isinstance(found, ErrorCode):
                requested[key] = RequestedPartition(topic, partition, None, found)
            else:
                requested[key] = RequestedPartition(topic, partition, found.log)
    return list(requested.values())


def as_unavailable(requested: RequestedPartition) -> RequestedPartition:
    """Returns the partition with a retriable error, because its owner does not respond."""
    if requested.log is None:
        return requested
    return requested._replace(log=None, error_code=ErrorCode.NOT_LEADER_OR_FOLLOWER)
