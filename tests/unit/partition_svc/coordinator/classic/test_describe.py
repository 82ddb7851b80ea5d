import pytest

from common.ports.classic_groups import ListedGroup, ListGroups
from common.ports.group_errors import GroupClient
from partition_svc.coordinator.classic.describe import is_listed
from tests.support.groups.driven_group import READS_T, DrivenGroup


def test_stable_group_is_described_in_full():
    driven = DrivenGroup()
    driven.stable("a")
    description = driven.group.describe()
    assert (description.state, description.protocol_type) == ("Stable", "consumer")
    assert description.protocol_name == "range"
    [member] = description.members
    assert member.client == GroupClient("client", "/127.0.0.1")
    assert (member.metadata, member.assignment) == (READS_T, b"a")


def test_group_that_is_not_stable_is_described_without_protocol():
    driven = DrivenGroup()
    driven.join(new_id="a")
    description = driven.group.describe()
    assert (description.state, description.protocol_name) == ("CompletingRebalance", "")
    [member] = description.members
    assert (member.member_id, member.metadata, member.assignment) == ("a", b"", b"")


def test_group_is_listed_as_classic():
    driven = DrivenGroup()
    driven.stable("a")
    assert driven.group.as_listed_group() == ListedGroup("g", "consumer", "Stable", "classic")


@pytest.mark.parametrize(
    ("request_", "is_expected"),
    [
        (ListGroups(), True),
        (ListGroups(states=["Empty"], types=["Classic"]), True),
        (ListGroups(states=["stable", "EMPTY"]), True),
        (ListGroups(states=["Stable"]), False),
        (ListGroups(states=["Empty"], types=["consumer"]), False),
        (ListGroups(states=["unknown"]), False),
    ],
)
def test_list_filters_match_state_and_type(request_, is_expected):
    assert is_listed(ListedGroup("g", "", "Empty", "classic"), request_) == is_expected
