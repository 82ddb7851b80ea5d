from common.ports.classic_groups import LeaveGroup, LeavingMember, Left, LeftMember
from common.ports.group_errors import GroupRefusal
from gateway_svc.handlers.leave_group import leave_group
from gateway_svc.wire.apis.leave_group import LeaveGroupRequest, MemberIdentity
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.world import World


def test_a_member_of_an_old_version_leaves_alone_and_its_error_is_that_of_the_whole():
    world = World()
    left = Left([LeftMember("m", refusal=GroupRefusal.UNKNOWN_MEMBER_ID)])
    world.coordinators.answers[LeaveGroup] = left
    response = world.ask(leave_group, LeaveGroupRequest(group_id="g", member_id="m"), 2)
    assert response.error_code is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.coordinators.asked == [LeaveGroup("g", [LeavingMember("m")])]


def test_several_members_leave_each_with_an_error_of_its_own():
    world = World()
    world.coordinators.answers[LeaveGroup] = Left(
        [LeftMember("", "i"), LeftMember("m", refusal=GroupRefusal.UNKNOWN_MEMBER_ID)]
    )
    request = LeaveGroupRequest(
        group_id="g",
        members=[
            MemberIdentity(member_id="", group_instance_id="i", reason="why"),
            MemberIdentity(member_id="m"),
        ],
    )
    response = world.ask(leave_group, request, 5)
    assert response.error_code is ErrorCode.NONE
    assert [(one.group_instance_id, one.error_code) for one in response.members] == [
        ("i", ErrorCode.NONE),
        (None, ErrorCode.UNKNOWN_MEMBER_ID),
    ]
    assert world.coordinators.asked == [
        LeaveGroup("g", [LeavingMember("", "i", "why"), LeavingMember("m")])
    ]


def test_a_refusal_of_the_whole_request_is_returned():
    world = World()
    refused = Left(refusal=GroupRefusal.INVALID_GROUP_ID)
    world.coordinators.answers[LeaveGroup] = refused
    for version, request in (
        (0, LeaveGroupRequest(group_id="", member_id="m")),
        (3, LeaveGroupRequest(group_id="", members=[MemberIdentity(member_id="m")])),
    ):
        response = world.ask(leave_group, request, version)
        assert response.error_code is ErrorCode.INVALID_GROUP_ID
