import pytest

from common.ports.classic_groups import GroupProtocol
from common.ports.group_errors import UNKNOWN_CLIENT, GroupRefusal
from partition_svc.coordinator.classic.member import ClassicGroupMember
from partition_svc.coordinator.classic.members import ClassicGroupMembers


def new_member(member_id, *protocols, instance=None, rebalance_ms=1, joins=False):
    supported = [GroupProtocol(name, b"") for name in protocols]
    member = ClassicGroupMember(member_id, instance, UNKNOWN_CLIENT, supported, rebalance_ms, 1)
    member.pending_join = 1 if joins else None
    return member


def new_members(*members):
    group_members = ClassicGroupMembers()
    for member in members:
        group_members.add(member)
    return group_members


def test_first_member_leads_and_the_next_one_replaces_it():
    members = new_members(new_member("a"), new_member("b"), new_member("c"))
    assert members.leader == "a"
    members.remove(members["a"])
    assert members.leader == "b"
    members.remove(members["c"])
    assert members.leader == "b"
    members.remove(members["b"])
    assert members.leader is None


def test_leader_that_joined_stays_leader():
    members = new_members(new_member("a", joins=True), new_member("b", joins=True))
    members.leader = "b"
    assert members.elect_joined_leader()
    assert members.leader == "b"


def test_first_joined_member_leads_if_the_leader_did_not_join():
    members = new_members(new_member("a"), new_member("b", joins=True), new_member("c", joins=True))
    assert members.elect_joined_leader()
    assert members.leader == "b"


def test_leader_stays_if_no_member_joined():
    members = new_members(new_member("a"), new_member("b"))
    assert not members.elect_joined_leader()
    assert members.leader == "a"


@pytest.mark.parametrize(
    ("votes", "chosen"),
    [
        ([["x"], ["y", "x"]], "x"),
        ([["x", "y"], ["y", "x"], ["y", "x"]], "y"),
        ([["x", "y"], ["y", "x"]], "x"),
        ([["z", "x", "y"], ["y", "x"]], "x"),
        ([["z", "y", "x"], ["y", "x"]], "y"),
    ],
)
def test_chosen_protocol_is_supported_by_all_and_preferred_by_most(votes, chosen):
    members = new_members(
        *(new_member(str(number), *protocols) for number, protocols in enumerate(votes))
    )
    assert members.choose_protocol() == chosen


def test_supports_any_needs_the_support_of_all_members():
    members = new_members(new_member("a", "x", "y"), new_member("b", "x"))
    assert members.supports_any([GroupProtocol("x", b"")])
    assert members.supports_any([GroupProtocol("z", b""), GroupProtocol("x", b"")])
    assert not members.supports_any([GroupProtocol("y", b"")])
    members.remove(members["b"])
    assert members.supports_any([GroupProtocol("y", b"")])
    members.set_protocols(members["a"], [GroupProtocol("z", b"")])
    assert members.supports_any([GroupProtocol("z", b"")])
    assert not members.supports_any([GroupProtocol("x", b"")])


def test_repeated_protocol_counts_once():
    members = new_members(new_member("a", "x", "x"), new_member("b", "x"))
    assert members.choose_protocol() == "x"


def test_check_compares_member_id_and_instance_id():
    members = new_members(new_member("a"), new_member("b", instance="i"))
    assert members.check("a", None) is None
    assert members.check("b", "i") is None
    assert members.check("b", None) is None
    assert members.check("c", None) is GroupRefusal.UNKNOWN_MEMBER_ID
    assert members.check("a", "i") is GroupRefusal.FENCED_INSTANCE_ID
    assert members.check("a", "j") is GroupRefusal.UNKNOWN_MEMBER_ID


def test_instance_id_is_removed_with_its_member():
    members = new_members(new_member("b", instance="i"))
    assert (members.id_of("i"), members.id_of("j"), members.id_of(None)) == ("b", None, None)
    members.remove(members["b"])
    assert members.id_of("i") is None


def test_replacement_leads_and_has_to_sync_as_the_replaced_member():
    members = new_members(new_member("a", "x", instance="i"), new_member("b", "x"))
    members.not_synced |= {"a", "b"}
    members.replace(members["a"], new_member("c", "x", "y", instance="i"))
    assert (members.leader, members.id_of("i"), len(members)) == ("c", "c", 2)
    assert members.not_synced == {"b", "c"}
    members.replace(members["b"], new_member("d", "x"))
    assert members.leader == "c"


def test_replacement_of_a_synced_member_does_not_have_to_sync():
    members = new_members(new_member("a", instance="i"))
    members.replace(members["a"], new_member("c", instance="i"))
    assert members.not_synced == set()


def test_all_have_joined_needs_every_member_and_no_pending_id():
    members = new_members(new_member("a", joins=True), new_member("b"))
    assert not members.all_have_joined
    members["b"].pending_join = 2
    assert members.all_have_joined
    members.pending["c"] = 5
    assert not members.all_have_joined
    members.add(new_member("c", joins=True))
    assert members.all_have_joined


def test_rebalance_timeout_is_the_longest_of_the_members():
    assert new_members().rebalance_timeout_ms == 0
    assert new_members(new_member("a", rebalance_ms=7), new_member("b")).rebalance_timeout_ms == 7
