"""ListGroups: the groups for which FindCoordinator sends clients to this gateway.

Clients send this request to every broker and merge the responses
(GroupCoordinatorService.listGroups); some fail if two brokers list the same group. Groups whose
coordinators do not respond are left out, as Apache Kafka leaves out those of offline partitions.
"""

from common.ports.classic_groups import ListGroups
from gateway_svc.cluster.group_brokers import GroupBrokers
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.coordinator_call import refuse_if_unavailable
from gateway_svc.dispatch.error_codes import GROUP_ERRORS
from gateway_svc.wire.apis.list_groups import (
    LIST_GROUPS,
    ListedGroup,
    ListGroupsRequest,
    ListGroupsResponse,
)


@refuse_if_unavailable(LIST_GROUPS)
async def list_groups(request: ListGroupsRequest, context: RequestContext) -> ListGroupsResponse:
    listed = await context.backends.coordinators.list_groups(
        ListGroups(request.states_filter, request.types_filter)
    )
    group_brokers = GroupBrokers(context)
    return ListGroupsResponse(
        error_code=GROUP_ERRORS[listed.refusal],
        groups=[
            ListedGroup(
                group_id=group.group_id,
                protocol_type=group.protocol_type,
                group_state=group.state,
                group_type=group.group_type,
            )
            for group in listed.groups
            if group_brokers.is_own(group.group_id)
        ],
    )
