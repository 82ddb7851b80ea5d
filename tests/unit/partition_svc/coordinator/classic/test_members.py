import pytest

from common.ports.classic_groups import GroupProtocol
from common.ports.group_errors import UNKNOWN_CLIENT, GroupRefusal
from partition_svc.coordinator.classic.member import ClassicGroupMember
from partition_svc.coordinator.classic.members import ClassicGroupMembers


def member(member_id, *protocols, instance=None, rebalance_ms=1, joins=False):
    given = [GroupProtocol(name, b"") for name in protocols]
    made = ClassicGroupMember(member_id, instance, UNKNOWN_CLIENT, given, rebalance_ms, 1)
    made.join_ticket = 1 if joins else None
    return made


def members(*those):
    made = ClassicGroupMembers()
    for one in those:
        made.add(one)
    return made


def test_the_first_member_leads_and_the_next_follows_it():
    some = members(member("a"), member("b"), member("c"))
    assert some.leader == "a"
    some.remove(some["a"])
    assert some.leader == "b"
    some.remove(some["c"])
    assert some.leader == "b"
    some.remove(some["b"])
    assert some.leader is None


def test_a_leader_that_joined_stays_the_leader():
    some = members(member("a", joins=True), member("b", joins=True))
    some.leader = "b"
    assert some.elect_joined_leader()
    assert some.leader == "b"


def test_the_first_who_joined_leads_where_the_leader_did_not():
    some = members(member("a"), member("b", joins=True), member("c", joins=True))
    assert some.elect_joined_leader()
    assert some.leader == "b"


def test_nobody_new_leads_where_nobody_joined():
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
def test_the_protocol_that_all_know_and_most_prefer_is_chosen(votes, chosen):
    some = members(*(member(str(number), *one) for number, one in enumerate(votes)))
    assert some.choose_protocol() == chosen


def test_protocols_are_known_to_all_or_not_at_all():
    some = members(member("a", "x", "y"), member("b", "x"))
    assert some.supports_any([GroupProtocol("x", b"")])
    assert some.supports_any([GroupProtocol("z", b""), GroupProtocol("x", b"")])
    assert not some.supports_any([GroupProtocol("y", b"")])
    some.remove(some["b"])
    assert some.supports_any([GroupProtocol("y", b"")])
    some.set_protocols(some["a"], [GroupProtocol("z", b"")])
    assert some.supports_any([GroupProtocol("z", b"")])
    assert not some.supports_any([GroupProtocol("x", b"")])


def test_a_protocol_that_is_named_twice_counts_once():
    some = members(member("a", "x", "x"), member("b", "x"))
    assert some.choose_protocol() == "x"


def test_a_request_speaks_for_a_member_by_its_ids():
    some = members(member("a"), member("b", instance="i"))
    assert some.check("a", None) is None
    assert some.check("b", "i") is None
    assert some.check("b", None) is None
    assert some.check("c", None) is GroupRefusal.UNKNOWN_MEMBER_ID
    assert some.check("a", "i") is GroupRefusal.FENCED_INSTANCE_ID
    assert some.check("a", "j") is GroupRefusal.UNKNOWN_MEMBER_ID


def test_an_instance_goes_with_its_member():
    some = members(member("b", instance="i"))
    assert (some.id_of("i"), some.id_of("j"), some.id_of(None)) == ("b", None, None)
    some.remove(some["b"])
    assert some.id_of("i") is None


def test_who_takes_a_place_leads_and_owes_what_was_led_and_owed():
    some = members(member("a", "x", instance="i"), member("b", "x"))
    some.not_synced |= {"a", "b"}
    some.replace(some["a"], member("c", "x", "y", instance="i"))
    assert (some.leader, some.id_of("i"), len(some)) == ("c", "c", 2)
    assert some.not_synced == {"b", "c"}
    some.replace(some["b"], member("d", "x"))
    assert some.leader == "c"


def test_who_synced_before_its_place_was_taken_owes_nothing():
    some = members(member("a", instance="i"))
    some.replace(some["a"], member("c", instance="i"))
    assert some.not_synced == set()


def test_all_have_joined_when_no_member_and_no_announced_one_is_missing():
    some = members(member("a", joins=True), member("b"))
    assert not some.have_all_joined
    some["b"].join_ticket = 2
    assert some.have_all_joined
    some.pending["c"] = 5
    assert not some.have_all_joined
    some.add(member("c", joins=True))
    assert some.have_all_joined


def test_the_longest_rebalance_timeout_counts():
    assert members().rebalance_timeout_ms == 0
    assert members(member("a", rebalance_ms=7), member("b")).rebalance_timeout_ms == 7
