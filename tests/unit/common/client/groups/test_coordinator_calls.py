import asyncio

import pytest

from common.client.groups.coordinator_calls import (
    consumer_heartbeat_call,
    delete_call,
    join_call,
    leave_call,
)
from common.ports.classic_groups import (
    GroupResult,
    Joined,
    JoinGroup,
    LeaveGroup,
    LeavingMember,
    Left,
    LeftMember,
)
from common.ports.consumer_groups import ConsumerHeartbeat, ConsumerHeartbeatTaken
from common.ports.group_errors import GroupRefusal

UNKNOWN = GroupRefusal.UNKNOWN_MEMBER_ID
NOT_FOUND = GroupRefusal.GROUP_ID_NOT_FOUND


def joining(member_id="", instance_id=None):
    return JoinGroup("g", member_id, "consumer", [], 1000, 1000, instance_id)


@pytest.mark.parametrize(
    ("request_", "may_repeat"),
    [(joining(), False), (joining("m"), True), (joining(instance_id="i"), True)],
)
def test_a_join_without_any_id_is_not_repeated_in_doubt(request_, may_repeat):
    assert join_call(request_).repeat_in_doubt is may_repeat


@pytest.mark.parametrize(("epoch", "may_repeat"), [(0, False), (7, False), (-1, True), (-2, False)])
def test_of_consumer_heartbeats_only_the_last_is_repeated_in_doubt(epoch, may_repeat):
    assert consumer_heartbeat_call(ConsumerHeartbeat("g", "m", epoch)).repeat_in_doubt is may_repeat


@pytest.mark.parametrize("refusal", [UNKNOWN, NOT_FOUND])
def test_a_member_that_is_gone_at_the_second_time_has_left(refusal):
    call = consumer_heartbeat_call(ConsumerHeartbeat("g", "m", -1))
    gone = ConsumerHeartbeatTaken(refusal=refusal)
    assert call.recognise(gone) == ConsumerHeartbeatTaken("m", -1)
    other = ConsumerHeartbeatTaken(refusal=GroupRefusal.FENCED_MEMBER_EPOCH)
    assert call.recognise(other) is other


def test_classic_members_that_are_gone_at_the_second_time_have_left():
    call = leave_call(LeaveGroup("g", [LeavingMember("a"), LeavingMember("b", "i")]))
    assert call.repeat_in_doubt
    fenced = LeftMember("b", "i", GroupRefusal.FENCED_INSTANCE_ID)
    assert call.recognise(Left([LeftMember("a", None, UNKNOWN), fenced])).members == [
        LeftMember("a"),
        fenced,
    ]
    assert call.recognise(Left(refusal=UNKNOWN)) == Left([LeftMember("a"), LeftMember("b", "i")])
    assert not leave_call(LeaveGroup("g", [LeavingMember("", "i")])).repeat_in_doubt


def test_a_group_that_is_gone_at_the_second_time_was_deleted():
    call = delete_call("g")
    assert call.repeat_in_doubt
    assert call.recognise(GroupResult("g", NOT_FOUND)) == GroupResult("g")
    full = GroupResult("g", GroupRefusal.NON_EMPTY_GROUP)
    assert call.recognise(full) is full


def test_calls_reach_the_coordinator_with_their_requests():
    class Owner:
        async def join_group(self, request):
            return Joined(request.member_id)

        async def delete_groups(self, group_ids):
            return [GroupResult(one) for one in group_ids]

    async def story():
        assert await join_call(joining("m")).make(Owner()) == Joined("m")
        assert await delete_call("g").make(Owner()) == GroupResult("g")

    asyncio.run(story())
