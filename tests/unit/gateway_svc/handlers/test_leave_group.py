from common.ports.classic_groups import LeaveGroup, LeaveReply, LeavingMember, LeftMember
from common.ports.group_errors import GroupRefusal
from gateway_svc.handlers.leave_group import leave_group
from gateway_svc.wire.apis.leave_group import LeaveGroupRequest, MemberIdentity
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster


def test_leave_group_of_old_versions_returns_the_member_error_for_the_request():
    cluster = FakeCluster()
    left = LeaveReply([LeftMember("m", refusal=GroupRefusal.UNKNOWN_MEMBER_ID)])
    cluster.coordinators.replies[LeaveGroup] = left
    response = cluster.send(leave_group, LeaveGroupRequest(group_id="g", member_id="m"), 2)
    assert response.error_code is ErrorCode.UNKNOWN_MEMBER_ID
    assert cluster.coordinators.requests == [LeaveGroup("g", [LeavingMember("m")])]


def test_leave_group_returns_an_error_for_each_member():
    cluster = FakeCluster()
    cluster.coordinators.replies[LeaveGroup] = LeaveReply(
        [LeftMember("", "i"), LeftMember("m", refusal=GroupRefusal.UNKNOWN_MEMBER_ID)]
    )
    request = LeaveGroupRequest(
        group_id="g",
        members=[
            MemberIdentity(member_id="", group_instance_id="i", reason="why"),
            MemberIdentity(member_id="m"),
        ],
    )
    response = cluster.send(leave_group, request, 5)
    assert response.error_code is ErrorCode.NONE
    assert [(member.group_instance_id, member.error_code) for member in response.members] == [
        ("i", ErrorCode.NONE),
        (None, ErrorCode.UNKNOWN_MEMBER_ID),
    ]
    assert cluster.coordinators.requests == [
        LeaveGroup("g", [LeavingMember("", "i", "why"), LeavingMember("m")])
    ]


def test_leave_group_returns_a_refusal_of_the_request():
    cluster = FakeCluster()
    reply = LeaveReply(refusal=GroupRefusal.INVALID_GROUP_ID)
    cluster.coordinators.replies[LeaveGroup] = reply
    for version, request in (
        (0, LeaveGroupRequest(group_id="", member_id="m")),
        (3, LeaveGroupRequest(group_id="", members=[MemberIdentity(member_id="m")])),
    ):
        response = cluster.send(leave_group, request, version)
        assert response.error_code is ErrorCode.INVALID_GROUP_ID
