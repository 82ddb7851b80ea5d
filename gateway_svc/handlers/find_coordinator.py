"""FindCoordinator: the broker that a group's members connect to (`group_brokers.py`).

The gateway decides this alone, and `__consumer_offsets` need not exist yet: consumers that assign
partitions themselves send this request too, and need no coordinator.
"""

from dataclasses import replace
from typing import Final

from common.runtime.cooperative import map_cooperatively
from gateway_svc.cluster.brokers import brokers
from gateway_svc.cluster.group_brokers import GroupBrokers
from gateway_svc.cluster.leadership import Broker
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.wire.apis.find_coordinator import (
    FIND_COORDINATOR,
    GROUP,
    TRANSACTION,
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from gateway_svc.wire.error_code import ErrorCode

#: First version with several keys (KIP-699).
_SEVERAL_SINCE: Final = 4


async def find_coordinator(
    request: FindCoordinatorRequest, context: RequestContext
) -> FindCoordinatorResponse:
    several = context.api_version >= _SEVERAL_SINCE
    if request.key_type not in (GROUP, TRANSACTION):
        return _refused(request)
    keys = request.coordinator_keys if several else [request.key]
    if request.key_type == TRANSACTION:
        # There are none, and InitProducerId returns a fatal error.
        first = brokers(context)[0]
        found = [_at(key, first) for key in keys]
    else:
        group_brokers = GroupBrokers(context)
        found = await map_cooperatively(lambda key: _at(key, group_brokers.coordinator(key)), keys)
    if several:
        return FindCoordinatorResponse(coordinators=found)
    return FindCoordinatorResponse(
        error_message=ErrorCode.NONE.name,
        node_id=found[0].node_id,
        host=found[0].host,
        port=found[0].port,
    )


def _refused(request: FindCoordinatorRequest) -> FindCoordinatorResponse:
    message = f"There are no coordinators of type {request.key_type}."
    refused = FIND_COORDINATOR.refuse(request, ErrorCode.INVALID_REQUEST)
    coordinators = [
        replace(coordinator, error_message=message) for coordinator in refused.coordinators
    ]
    return replace(refused, error_message=message, coordinators=coordinators)


def _at(key: str, broker: Broker) -> Coordinator:
    return Coordinator(
        key=key, node_id=broker.node_id, host=broker.host, port=broker.port, error_message=""
    )
