from common.ports.classic_groups import LeaveGroup
from common.ports.group_errors import GroupRefusal
from tests.support.groups.driven_group import DrivenGroup


def test_those_who_stay_rebalance_at_once():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    assert driven.leave("b") == [None]
    assert driven.heartbeat("a", generation) is GroupRefusal.REBALANCE_IN_PROGRESS
    assert driven.answers[driven.join("a")].generation_id == generation + 1


def test_the_leader_may_leave():
    driven = DrivenGroup()
    driven.stable("a", "b", "c")
    driven.leave("a")
    tickets = [driven.join("c"), driven.join("b")]
    assert {driven.answers[one].leader for one in tickets} == {"b"}


def test_several_leave_at_once_by_their_ids_and_instances():
    driven = DrivenGroup()
    driven.join(new_id="a", instance="i")
    driven.join(new_id="b", instance="j")
    assert driven.leave(("", "i"), ("b", "j"), ("", "k"), "x") == [
        None,
        None,
        GroupRefusal.UNKNOWN_MEMBER_ID,
        GroupRefusal.UNKNOWN_MEMBER_ID,
    ]
    assert driven.state == "Empty"


def test_a_former_self_cannot_make_its_successor_leave():
    driven = DrivenGroup()
    driven.stable("a", instance="i")
    driven.join(new_id="b", instance="i")
    assert driven.leave(("a", "i")) == [GroupRefusal.FENCED_INSTANCE_ID]
    assert driven.member_ids == ["b"]


def test_who_was_only_given_an_id_leaves_without_a_rebalance():
    driven = DrivenGroup()
    generation = driven.stable("a")
    driven.join(new_id="b", needs_member_id=True)
    assert driven.leave("b") == [None]
    assert driven.heartbeat("a", generation) is None
    assert driven.answers[driven.join("b")].refusal is GroupRefusal.UNKNOWN_MEMBER_ID


def test_a_rebalance_that_waited_for_those_who_left_goes_on():
    driven = DrivenGroup()
    driven.stable("a", "b")
    driven.join(new_id="c", needs_member_id=True)
    ticket = driven.join("a")
    driven.leave("b")
    assert ticket not in driven.answers
    driven.leave("c")
    assert driven.answers[ticket].refusal is None


def test_nobody_leaves_a_group_that_is_not_there():
    driven = DrivenGroup()
    assert driven.leave("a") == [GroupRefusal.UNKNOWN_MEMBER_ID]
    assert not driven.group.exists
    unnamed = driven.group_of("")
    [(_, left)] = unnamed.leave(LeaveGroup("", []), 1, 0).replies
    assert left.refusal is GroupRefusal.INVALID_GROUP_ID
