"""ListGroups: the groups for which FindCoordinator sends clients to this gateway.

Clients ask every broker and put the answers together (GroupCoordinatorService.listGroups), and some
fail where two brokers list the same group. Groups whose coordinators do not answer are left out, as
those of offline partitions are in Apache Kafka.
"""

from common.ports.classic_groups import ListGroups
from gateway_svc.cluster.group_brokers import GroupBrokers
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.coordinator_call import coordinated
from gateway_svc.dispatch.error_codes import GROUP_ERRORS
from gateway_svc.wire.apis.list_groups import (
    LIST_GROUPS,
    ListedGroup,
    ListGroupsRequest,
    ListGroupsResponse,
)


@coordinated(LIST_GROUPS)
async def list_groups(request: ListGroupsRequest, context: RequestContext) -> ListGroupsResponse:
    listed = await context.backends.coordinators.list_groups(
        ListGroups(request.states_filter, request.types_filter)
    )
    group_brokers = GroupBrokers(context)
    return ListGroupsResponse(
        error_code=GROUP_ERRORS[listed.refusal],
        groups=[
            ListedGroup(
                group_id=one.group_id,
                protocol_type=one.protocol_type,
                group_state=one.state,
                group_type=one.group_type,
            )
            for one in listed.groups
            if group_brokers.is_own(one.group_id)
        ],
    )
