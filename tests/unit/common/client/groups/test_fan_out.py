import asyncio

import pytest

from common.client.groups.fan_out import call_each
from common.ports.classic_groups import DeleteGroup, DescribeGroup
from common.ports.consumer_groups import DescribeConsumerGroup
from common.ports.group_errors import GroupRefusal
from common.ports.unavailable import BackendUnavailable


class FakeCoordinators:
    """Replies to the last call first; the coordinator of the group "lost" is unavailable."""

    def __init__(self):
        self.open = []

    def call(self, request):
        reply = asyncio.get_running_loop().create_future()
        self.open.append((reply, request))
        if len(self.open) == 3:
            self.reply_to_all()
        return reply

    def reply_to_all(self):
        while self.open:
            reply, request = self.open.pop()
            if request.group_id == "lost":
                reply.set_exception(BackendUnavailable("unreachable"))
            else:
                reply.set_result(request.refused(None))


@pytest.mark.parametrize("request_", [DeleteGroup, DescribeGroup, DescribeConsumerGroup])
def test_a_silent_coordinator_affects_only_its_own_groups(request_):
    replies = asyncio.run(call_each(FakeCoordinators(), map(request_, ["b", "lost", "a"])))
    assert [(reply.group_id, reply.refusal) for reply in replies] == [
        ("b", None),
        ("lost", GroupRefusal.COORDINATOR_NOT_AVAILABLE),
        ("a", None),
    ]
