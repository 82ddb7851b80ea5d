"""FindCoordinator: which broker a group's members talk to.

Every gateway reaches every coordinator. So that the members of a group meet at one gateway all the
same, it is the one that would lead the group's partition, whatever rack a member is in. Nobody is
asked for that, and the topic of groups need not be there yet: consumers that assign themselves ask
too, and need none.
"""

from typing import Final

from common.group_partitions import group_partition
from gateway_svc.handlers.brokers import brokers
from gateway_svc.handlers.call import Call
from gateway_svc.handlers.leadership import Broker, Leadership
from gateway_svc.wire.apis.find_coordinator import (
    FIND_COORDINATOR,
    GROUP,
    TRANSACTION,
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ZERO_UUID

#: Since this version several keys may be asked for (KIP-699).
_SEVERAL_SINCE: Final = 4


async def find_coordinator(request: FindCoordinatorRequest, call: Call) -> FindCoordinatorResponse:
    if request.key_type not in (GROUP, TRANSACTION):
        return FIND_COORDINATOR.refuse(request, ErrorCode.INVALID_REQUEST)
    several = call.api_version >= _SEVERAL_SINCE
    keys = request.coordinator_keys if several else [request.key]
    among = brokers(call)
    if request.key_type == TRANSACTION:
        # There are none. Whoever is asked says so by InitProducerId, in words that clients heed.
        found = [_at(key, among[0]) for key in keys]
    else:
        count = call.backends.settings.offsets_topic_num_partitions
        found = [_of_group(key, count, among) for key in keys]
    if several:
        return FindCoordinatorResponse(coordinators=found)
    return FindCoordinatorResponse(node_id=found[0].node_id, host=found[0].host, port=found[0].port)


def _of_group(group_id: str, partition_count: int, among: list[Broker]) -> Coordinator:
    partition = group_partition(group_id, partition_count)
    node_id = Leadership(among, None).leader(ZERO_UUID, partition_count, partition)
    return _at(group_id, next(one for one in among if one.node_id == node_id))


def _at(key: str, broker: Broker) -> Coordinator:
    return Coordinator(key=key, node_id=broker.node_id, host=broker.host, port=broker.port)
