import pytest

from common.ports.classic_groups import DescribedGroup, DescribedMember, DescribeGroup
from common.ports.group_errors import GroupClient, GroupRefusal
from gateway_svc.cluster.authorized_operations import GROUP_OPERATIONS
from gateway_svc.handlers.describe_groups import describe_groups
from gateway_svc.wire.apis.describe_groups import OPERATIONS_UNKNOWN, DescribeGroupsRequest
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster


def described(answer, version=5, **fields):
    cluster = FakeCluster()
    cluster.coordinators.replies[DescribeGroup] = [answer]
    request = DescribeGroupsRequest(groups=["g"], **fields)
    (group,) = cluster.send(describe_groups, request, version).groups
    return group


def test_a_group_with_its_members():
    member = DescribedMember("m", "i", GroupClient("c", "/h"), b"x", b"y")
    one = described(DescribedGroup("g", "Stable", "consumer", "range", [member]))
    assert (one.group_state, one.protocol_type, one.protocol_data) == (
        "Stable",
        "consumer",
        "range",
    )
    (found,) = one.members
    assert (found.client_id, found.client_host) == ("c", "/h")
    assert (found.member_metadata, found.member_assignment) == (b"x", b"y")


@pytest.mark.parametrize(
    ("version", "error_code", "message"),
    [(5, ErrorCode.NONE, None), (6, ErrorCode.GROUP_ID_NOT_FOUND, "Group g not found.")],
)
def test_a_group_that_is_not_there_is_dead(version, error_code, message):
    missing = GroupRefusal.GROUP_ID_NOT_FOUND
    found = DescribedGroup("g", refusal=missing, message="Group g not found.")
    one = described(found, version)
    assert (one.error_code, one.error_message) == (error_code, message)
    assert one.group_state == "Dead"


def test_other_refusals_are_errors():
    one = described(DescribedGroup("g", refusal=GroupRefusal.NOT_COORDINATOR))
    assert one.error_code is ErrorCode.NOT_COORDINATOR


def test_operations_are_returned_on_request():
    found = DescribedGroup("g", "Empty")
    assert described(found).authorized_operations == OPERATIONS_UNKNOWN
    asked = described(found, include_authorized_operations=True)
    assert asked.authorized_operations == GROUP_OPERATIONS


def test_a_group_that_is_named_many_times_is_described_once():
    cluster = FakeCluster()
    cluster.coordinators.replies[DescribeGroup] = [DescribedGroup("b"), DescribedGroup("a")]
    request = DescribeGroupsRequest(groups=["b", "a", "b", *["a"] * 1000])
    response = cluster.send(describe_groups, request, 5)
    assert cluster.coordinators.requests == [DescribeGroup("b"), DescribeGroup("a")]
    assert [group.group_id for group in response.groups] == ["b", "a"]
