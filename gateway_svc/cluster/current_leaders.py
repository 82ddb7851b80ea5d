"""Current leaders, named by Produce and Fetch responses beside "not the leader" (KIP-951).

With them clients need not ask Metadata before they retry.
"""

from common.ports.partitions import NO_LEADER_EPOCH, LogId
from gateway_svc.cluster.brokers import brokers, leader_assignment
from gateway_svc.cluster.leadership import Broker
from gateway_svc.dispatch.context import RequestContext


class CurrentLeaders:
    """The leaders that one response names, and the addresses that it must list for them."""

    def __init__(self, context: RequestContext) -> None:
        self._context = context
        self._brokers: list[Broker] = []
        #: By node id, the brokers that `leader_of` has returned.
        self.endpoints: dict[int, Broker] = {}

    def leader_of(self, log: LogId, leader_epoch: int) -> tuple[int, int]:
        """Returns the leader's node id, and its epoch.

        That is the newer of the epoch in the view and `leader_epoch`, the owner's.
        """
        candidates = self._brokers = self._brokers or brokers(self._context)
        view = self._context.backends.view
        topic = view.topic_by_id(log.topic_id)
        count = max(log.partition + 1, len(topic.partitions) if topic else 0)
        leader = leader_assignment(candidates, self._context).leader(
            log.topic_id, count, log.partition
        )
        self.endpoints[leader] = next(broker for broker in candidates if broker.node_id == leader)
        placement = view.placement(log.topic_id, log.partition)
        known = NO_LEADER_EPOCH if placement is None else placement.leader_epoch
        return leader, max(known, leader_epoch)
