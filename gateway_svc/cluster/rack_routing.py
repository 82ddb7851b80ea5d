"""Redirection of consumers to a gateway in their rack (KIP-392, `client.rack`).

Any gateway could respond, but data that a gateway in the client's rack reads crosses racks once for
all its clients, not once for each. Like Kafka's leader with RackAwareReplicaSelector, a gateway in
another rack responds at once, without records, and names the preferred read replica.
"""

from collections.abc import Sequence
from typing import NamedTuple

from common.ports.partitions import LogDescription, LogId
from gateway_svc.cluster.brokers import brokers, leader_assignment
from gateway_svc.cluster.leadership import LeaderAssignment
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.error_codes import PARTITION_ERRORS
from gateway_svc.wire.apis.fetch import PartitionData


class PreferredReplica(NamedTuple):
    """The gateways in the client's rack, if this gateway is not in it."""

    rack: str
    leadership: LeaderAssignment
    context: RequestContext

    async def redirect(self, logs: Sequence[LogId]) -> list[PartitionData]:
        """Returns the preferred replica of each log, with its end offsets.

        Raises:
            BackendUnavailable: an owner does not return the end offsets.
        """
        if not logs:
            return []
        described = await self.context.backends.partitions.describe_logs(logs)
        return [self._partition(description) for description in described]

    def _partition(self, described: LogDescription) -> PartitionData:
        topic_id, partition = described.log
        if described.refusal is not None:
            error_code = PARTITION_ERRORS[described.refusal]
            return PartitionData(partition_index=partition, error_code=error_code)
        topic = self.context.backends.view.topic_by_id(topic_id)
        count = max(partition + 1, len(topic.partitions) if topic else 0)
        return PartitionData(
            partition_index=partition,
            high_watermark=described.high_watermark,
            last_stable_offset=described.high_watermark,
            log_start_offset=described.log_start_offset,
            preferred_read_replica=self.leadership.preferred_replica(
                topic_id, count, partition, self.rack
            ),
        )


def preferred_replica(rack_id: str, context: RequestContext) -> PreferredReplica | None:
    """Returns None if this gateway must respond itself.

    That is so if the client names no rack, this gateway's rack, or one without gateways.
    """
    if not rack_id or rack_id == context.backends.settings.broker_rack:
        return None
    candidates = brokers(context)
    if all(broker.rack != rack_id for broker in candidates):
        return None
    return PreferredReplica(rack_id, leader_assignment(candidates, context), context)
