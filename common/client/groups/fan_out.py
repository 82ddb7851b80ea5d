"""Calls about several groups, which do not fail as a whole."""

from collections.abc import Iterable

from common.ports.coordinators import Coordinators
from common.ports.group_errors import GroupRefusal
from common.ports.group_request import GroupRequest, ReplyT
from common.ports.unavailable import BackendUnavailable
from common.runtime.cooperative import gather_bounded


async def call_each(
    coordinators: Coordinators, requests: Iterable[GroupRequest[ReplyT]]
) -> list[ReplyT]:
    """Returns the replies to `requests`, in their order.

    A request whose coordinator does not respond is refused with COORDINATOR_NOT_AVAILABLE.
    """

    async def call(request: GroupRequest[ReplyT]) -> ReplyT:
        try:
            return await coordinators.call(request)
        except BackendUnavailable:
            return request.refused(GroupRefusal.COORDINATOR_NOT_AVAILABLE)

    return await gather_bounded(call, requests)
