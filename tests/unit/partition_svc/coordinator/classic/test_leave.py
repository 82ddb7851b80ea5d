from common.ports.classic_groups import LeaveGroup
from common.ports.group_errors import GroupRefusal
from tests.support.groups.driven_group import DrivenGroup


def test_leave_starts_a_rebalance():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    assert driven.leave("b") == [None]
    assert driven.heartbeat("a", generation) is GroupRefusal.REBALANCE_IN_PROGRESS
    assert driven.replies[driven.join("a")].generation_id == generation + 1


def test_leader_may_leave():
    driven = DrivenGroup()
    driven.stable("a", "b", "c")
    driven.leave("a")
    tickets = [driven.join("c"), driven.join("b")]
    assert {driven.replies[ticket].leader for ticket in tickets} == {"b"}


def test_several_members_leave_by_member_and_instance_ids():
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


def test_fenced_member_id_cannot_remove_its_replacement():
    driven = DrivenGroup()
    driven.stable("a", instance="i")
    driven.join(new_id="b", instance="i")
    assert driven.leave(("a", "i")) == [GroupRefusal.FENCED_INSTANCE_ID]
    assert driven.member_ids == ["b"]


def test_pending_member_id_leaves_without_a_rebalance():
    driven = DrivenGroup()
    generation = driven.stable("a")
    driven.join(new_id="b", needs_member_id=True)
    assert driven.leave("b") == [None]
    assert driven.heartbeat("a", generation) is None
    assert driven.replies[driven.join("b")].refusal is GroupRefusal.UNKNOWN_MEMBER_ID


def test_leave_completes_a_join_that_waited_for_the_member():
    driven = DrivenGroup()
    driven.stable("a", "b")
    driven.join(new_id="c", needs_member_id=True)
    ticket = driven.join("a")
    driven.leave("b")
    assert ticket not in driven.replies
    driven.leave("c")
    assert driven.replies[ticket].refusal is None


def test_leave_of_an_unknown_group_is_rejected():
    driven = DrivenGroup()
    assert driven.leave("a") == [GroupRefusal.UNKNOWN_MEMBER_ID]
    assert not driven.group.exists
    group = driven.group_of("")
    [(_, response)] = group.leave(LeaveGroup("", []), 1, 0).replies
    assert response.refusal is GroupRefusal.INVALID_GROUP_ID
