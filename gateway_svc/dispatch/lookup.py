"""Look-up of the partitions that requests name: the partition, or the error code that says why not.

All APIs that name partitions return the same errors as Apache Kafka: UNKNOWN_TOPIC_ID for an id
that no topic has, UNKNOWN_TOPIC_OR_PARTITION for a name that no topic has or an index out of range.
"""

from typing import NamedTuple

from common.cluster.view import ClusterView
from common.ports.metadata import Topic
from common.ports.partitions import LogId
from gateway_svc.wire.error_code import ErrorCode


class ResolvedPartition(NamedTuple):
    """An existing partition with its topic, as the view knew them at the look-up."""

    topic: Topic
    log: LogId

    @property
    def leader_epoch(self) -> int:
        return self.topic.partitions[self.log.partition].leader_epoch


def resolve_partition(
    view: ClusterView, topic: str | bytes, index: int
) -> ResolvedPartition | ErrorCode:
    """Returns partition `index` of a topic given by name (str) or by id (16 bytes, KIP-516).

    An id never matches by name: a topic created again under an old name is another topic.
    """
    found = view.topic(topic) if isinstance(topic, str) else view.topic_by_id(topic)
    if found is None and not isinstance(topic, str):
        return ErrorCode.UNKNOWN_TOPIC_ID
    if found is None or not 0 <= index < len(found.partitions):
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return ResolvedPartition(found, LogId(found.topic_id, index))
