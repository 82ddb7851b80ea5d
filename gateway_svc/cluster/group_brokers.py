"""Coordinators of groups as Kafka's clients see them, in FindCoordinator and ListGroups.

Every gateway reaches every coordinator. But the members of a group should use one gateway, and
clients that list the groups of every broker should find each group once. So a group belongs to the
gateway that would lead its partition of `__consumer_offsets` for clients of no rack. Gateways with
the same view of the cluster agree on it. While a gateway joins or leaves, a group may be listed
twice or not at all, as in Apache Kafka while a coordinator moves.
"""

from common.cluster.group_partitions import group_partition
from common.ports.coordinators import OFFSETS_TOPIC
from gateway_svc.cluster.brokers import brokers, own_broker
from gateway_svc.cluster.leadership import Broker, LeaderAssignment
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.wire.schema import ZERO_UUID


class GroupBrokers:
    """The brokers of a request's listener, as coordinators of groups."""

    def __init__(self, context: RequestContext) -> None:
        own = own_broker(context)
        candidates = brokers(context)
        # The topic may not exist yet: consumers that assign their partitions themselves look for a
        # coordinator, too.
        topic = context.backends.view.topic(OFFSETS_TOPIC)
        settings = context.backends.settings
        self._partition_count = (
            settings.offsets_topic_num_partitions if topic is None else len(topic.partitions)
        )
        self._leadership = LeaderAssignment(candidates, None)
        self._by_id = {broker.node_id: broker for broker in candidates}
        # Gateways behind one address are one broker with the id of the first; each responds for it.
        self._own_ids = {
            broker.node_id
            for broker in candidates
            if (broker.host, broker.port) == (own.host, own.port)
        }

    def coordinator(self, group_id: str) -> Broker:
        """Returns the gateway that clients use as the coordinator of a group."""
        return self._by_id[self._node_id(group_id)]

    def is_own(self, group_id: str) -> bool:
        """Returns True if this gateway is the coordinator of the group."""
        return self._node_id(group_id) in self._own_ids

    def _node_id(self, group_id: str) -> int:
        partition = group_partition(group_id, self._partition_count)
        return self._leadership.leader(ZERO_UUID, self._partition_count, partition)
