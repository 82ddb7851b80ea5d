"""The port to group coordinators: members, generations, assignments, committed offsets.

A group belongs to one partition of `__consumer_offsets`, and the member that owns the partition
coordinates the group. Implemented by `partition_svc`, by its gRPC client, and by the router over
all members. The outcome of a request is data (`refusal` of the reply); the only exception is
`BackendUnavailable`, for a call without a response.
"""

from asyncio import Future
from typing import Final, Protocol

from common.ports.classic_groups import ListedGroups, ListGroups
from common.ports.group_request import GroupRequest, ReplyT

#: The internal topic that holds groups and committed offsets.
OFFSETS_TOPIC: Final = "__consumer_offsets"
#: Its number of partitions by default (GroupCoordinatorConfig of Apache Kafka).
OFFSETS_TOPIC_PARTITIONS: Final = 50


class Coordinators(Protocol):
    """Group coordinators, local or remote. Every method raises `BackendUnavailable`."""

    def call(self, request: GroupRequest[ReplyT]) -> "Future[ReplyT]":
        """Returns the future reply of the group's coordinator.

        The call has begun when this returns. Calls about one group reach its coordinator in the
        order in which they were made, provided that each caller waits for its reply; a join or a
        sync may wait for other members.
        """
        ...

    async def list_groups(self, request: ListGroups) -> ListedGroups:
        """Returns the groups of all coordinators behind this port.

        It is no `GroupRequest`: it belongs to no group, goes to every coordinator and merges their
        replies.
        """
        ...
