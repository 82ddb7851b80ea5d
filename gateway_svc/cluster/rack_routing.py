"""Sends consumers that tell their rack to a gateway there (KIP-392, `client.rack`).

Any gateway could answer, but what a gateway in the client's own rack reads crosses racks once for
all its clients and not once for each. As Kafka's leader with RackAwareReplicaSelector, a gateway
elsewhere answers at once and without records, and says who should be asked instead.
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
    """Gateways in the client's rack, where this one is not."""

    rack: str
    leadership: LeaderAssignment
    context: RequestContext

    async def redirect(self, logs: Sequence[LogId]) -> list[PartitionData]:
        """Who is to be asked for each log, with where it ends.

        Raises:
            BackendUnavailable: nobody says where they end.
        """
        if not logs:
            return []
        described = await self.context.backends.partitions.describe_logs(logs)
        return [self._partition(one) for one in described]

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
    """None where this gateway is to answer itself: no rack is told, it is ours, or nobody's."""
    if not rack_id or rack_id == context.backends.settings.broker_rack:
        return None
    among = brokers(context)
    if all(one.rack != rack_id for one in among):
        return None
    return PreferredReplica(rack_id, leader_assignment(among, context), context)
