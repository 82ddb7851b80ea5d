import pytest

from common.ports.classic_groups import GroupProtocol
from common.ports.group_errors import UNKNOWN_CLIENT, GroupRefusal
from partition_svc.coordinator.classic.member import ClassicGroupMember
from partition_svc.coordinator.classic.members import ClassicGroupMembers


def member(member_id, *protocols, instance=None, rebalance_ms=1, joins=False):
    given = [GroupProtocol(name, b"") for name in protocols]
    made = ClassicGroupMember(member_id, instance, UNKNOWN_CLIENT, given, rebalance_ms, 1)
    made.pending_join = 1 if joins else None
    return made


def members(*those):
    made = ClassicGroupMembers()
    for one in those:
        made.add(one)
    return made


def test_first_member_leads_and_the_next_one_replaces_it():
    some = members(member("a"), member("b"), member("c"))
    assert some.leader == "a"
    some.remove(some["a"])
    assert some.leader == "b"
    some.remove(some["c"])
    assert some.leader == "b"
    some.remove(some["b"])
    assert some.leader is None


def test_leader_that_joined_stays_leader():
    some = members(member("a", joins=True), member("b", joins=True))
    some.leader = "b"
    assert some.elect_joined_leader()
    assert some.leader == "b"


def test_first_joined_member_leads_if_the_leader_did_not_join():
    some = members(member("a"), member("b", joins=True), member("c", joins=True))
    assert some.elect_joined_leader()
    assert some.leader == "b"


def test_leader_stays_if_no_member_joined():
    some = members(member("a"), member("b"))
    assert not some.elect_joined_leader()
    assert some.leader == "a"


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
    some = members(*(member(str(number), *one) for number, one in enumerate(votes)))
    assert some.choose_protocol() == chosen


def test_supports_any_needs_the_support_of_all_members():
    some = members(member("a", "x", "y"), member("b", "x"))
    assert some.supports_any([GroupProtocol("x", b"")])
    assert some.supports_any([GroupProtocol("z", b""), GroupProtocol("x", b"")])
    assert not some.supports_any([GroupProtocol("y", b"")])
    some.remove(some["b"])
    assert some.supports_any([GroupProtocol("y", b"")])
    some.set_protocols(some["a"], [GroupProtocol("z", b"")])
    assert some.supports_any([GroupProtocol("z", b"")])
    assert not some.supports_any([GroupProtocol("x", b"")])


def test_repeated_protocol_counts_once():
    some = members(member("a", "x", "x"), member("b", "x"))
    assert some.choose_protocol() == "x"


def test_check_compares_member_id_and_instance_id():
    some = members(member("a"), member("b", instance="i"))
    assert some.check("a", None) is None
    assert some.check("b", "i") is None
    assert some.check("b", None) is None
    assert some.check("c", None) is GroupRefusal.UNKNOWN_MEMBER_ID
    assert some.check("a", "i") is GroupRefusal.FENCED_INSTANCE_ID
    assert some.check("a", "j") is GroupRefusal.UNKNOWN_MEMBER_ID


def test_instance_id_is_removed_with_its_member():
    some = members(member("b", instance="i"))
    assert (some.id_of("i"), some.id_of("j"), some.id_of(None)) == ("b", None, None)
    some.remove(some["b"])
    assert some.id_of("i") is None


def test_replacement_leads_and_has_to_sync_as_the_replaced_member():
    some = members(member("a", "x", instance="i"), member("b", "x"))
    some.not_synced |= {"a", "b"}
    some.replace(some["a"], member("c", "x", "y", instance="i"))
    assert (some.leader, some.id_of("i"), len(some)) == ("c", "c", 2)
    assert some.not_synced == {"b", "c"}
    some.replace(some["b"], member("d", "x"))
    assert some.leader == "c"


def test_replacement_of_a_synced_member_has_not_to_sync():
    some = members(member("a", instance="i"))
    some.replace(some["a"], member("c", instance="i"))
    assert some.not_synced == set()


def test_all_have_joined_needs_every_member_and_no_pending_id():
    some = members(member("a", joins=True), member("b"))
    assert not some.have_all_joined
    some["b"].pending_join = 2
    assert some.have_all_joined
    some.pending["c"] = 5
    assert not some.have_all_joined
    some.add(member("c", joins=True))
    assert some.have_all_joined


def test_longest_rebalance_timeout_holds():
    assert members().rebalance_timeout_ms == 0
    assert members(member("a", rebalance_ms=7), member("b")).rebalance_timeout_ms == 7
