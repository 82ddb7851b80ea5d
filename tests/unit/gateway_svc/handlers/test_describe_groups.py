import pytest

from common.ports.classic_groups import DescribedGroup, DescribedMember, DescribeGroup
from common.ports.group_errors import GroupClient, GroupRefusal
from gateway_svc.cluster.authorized_operations import GROUP_OPERATIONS
from gateway_svc.handlers.describe_groups import describe_groups
from gateway_svc.wire.apis.describe_groups import OPERATIONS_UNKNOWN, DescribeGroupsRequest
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster


def describe(reply, version=5, **fields):
    cluster = FakeCluster()
    cluster.coordinators.replies[DescribeGroup] = [reply]
    request = DescribeGroupsRequest(groups=["g"], **fields)
    (group,) = cluster.send(describe_groups, request, version).groups
    return group


def test_describe_groups_returns_a_group_with_its_members():
    member = DescribedMember("m", "i", GroupClient("c", "/h"), b"x", b"y")
    group = describe(DescribedGroup("g", "Stable", "consumer", "range", [member]))
    assert (group.group_state, group.protocol_type, group.protocol_data) == (
        "Stable",
        "consumer",
        "range",
    )
    (described_member,) = group.members
    assert (described_member.client_id, described_member.client_host) == ("c", "/h")
    assert (described_member.member_metadata, described_member.member_assignment) == (b"x", b"y")


@pytest.mark.parametrize(
    ("version", "error_code", "message"),
    [(5, ErrorCode.NONE, None), (6, ErrorCode.GROUP_ID_NOT_FOUND, "Group g not found.")],
)
def test_describe_groups_returns_a_missing_group_as_dead(version, error_code, message):
    not_found = GroupRefusal.GROUP_ID_NOT_FOUND
    reply = DescribedGroup("g", refusal=not_found, message="Group g not found.")
    group = describe(reply, version)
    assert (group.error_code, group.error_message) == (error_code, message)
    assert group.group_state == "Dead"


def test_describe_groups_returns_other_refusals_as_errors():
    group = describe(DescribedGroup("g", refusal=GroupRefusal.NOT_COORDINATOR))
    assert group.error_code is ErrorCode.NOT_COORDINATOR


def test_describe_groups_returns_operations_on_request():
    reply = DescribedGroup("g", "Empty")
    assert describe(reply).authorized_operations == OPERATIONS_UNKNOWN
    with_operations = describe(reply, include_authorized_operations=True)
    assert with_operations.authorized_operations == GROUP_OPERATIONS


def test_describe_groups_describes_a_repeated_group_once():
    cluster = FakeCluster()
    cluster.coordinators.replies[DescribeGroup] = [DescribedGroup("b"), DescribedGroup("a")]
    request = DescribeGroupsRequest(groups=["b", "a", "b", *["a"] * 1000])
    response = cluster.send(describe_groups, request, 5)
    assert cluster.coordinators.requests == [DescribeGroup("b"), DescribeGroup("a")]
    assert [group.group_id for group in response.groups] == ["b", "a"]
