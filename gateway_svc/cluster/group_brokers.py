"""Which gateway stands for a group's coordinator, as FindCoordinator and ListGroups tell clients.

Every gateway reaches every coordinator. So that the members of a group meet at one gateway all the
same, and that clients which list the groups of every broker find each group once, a group belongs
to the gateway that would lead its partition of `__consumer_offsets`, whatever rack a client is in.
Gateways that know of the same gateways say the same; while one joins or leaves, a group may be
listed twice or not at all, as in Apache Kafka while a coordinator moves.
"""

from common.cluster.group_partitions import group_partition
from common.ports.coordinators import OFFSETS_TOPIC
from gateway_svc.cluster.brokers import brokers, own_broker
from gateway_svc.cluster.leadership import Broker, LeaderAssignment
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.wire.schema import ZERO_UUID


class GroupBrokers:
    """The brokers of one call's listener, as coordinators of groups."""

    def __init__(self, context: RequestContext) -> None:
        own = own_broker(context)
        among = brokers(context)
        #: The topic need not be there yet: consumers that assign themselves look for coordinators.
        topic = context.backends.view.topic(OFFSETS_TOPIC)
        settings = context.backends.settings
        self._partition_count = (
            settings.offsets_topic_num_partitions if topic is None else len(topic.partitions)
        )
        self._leadership = LeaderAssignment(among, None)
        self._by_id = {broker.node_id: broker for broker in among}
        # Gateways behind one address are one broker, by the first one's id: each answers for it.
        self._own_ids = {
            broker.node_id for broker in among if (broker.host, broker.port) == (own.host, own.port)
        }

    def of_group(self, group_id: str) -> Broker:
        """The gateway that clients are sent to for a group."""
        return self._by_id[self._node_id(group_id)]

    def is_own(self, group_id: str) -> bool:
        """Returns whether that is the gateway that answers this call."""
        return self._node_id(group_id) in self._own_ids

    def _node_id(self, group_id: str) -> int:
        partition = group_partition(group_id, self._partition_count)
        return self._leadership.leader(ZERO_UUID, self._partition_count, partition)
