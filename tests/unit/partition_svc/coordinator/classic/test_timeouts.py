from common.ports.group_errors import GroupRefusal
from tests.support.groups.driven_group import REBALANCE_MS, SESSION_MS, DrivenGroup

NEW_MEMBER_MS = 300_000


def test_a_silent_member_is_put_out_and_the_others_rebalance():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    driven.pass_ms(SESSION_MS - 1)
    assert driven.heartbeat("a", generation) is None
    driven.pass_ms(1)
    assert driven.member_ids == ["a"]
    assert driven.heartbeat("a", generation) is GroupRefusal.REBALANCE_IN_PROGRESS


def test_a_group_whose_members_all_fall_silent_is_empty():
    driven = DrivenGroup()
    driven.stable("a", "b")
    driven.pass_ms(SESSION_MS)
    assert driven.state == "Empty"
    assert driven.stored.members == []
    assert driven.group.next_deadline is None


def test_who_waits_for_others_to_join_is_not_put_out():
    driven = DrivenGroup()
    driven.stable("a", "b", session_ms=SESSION_MS)
    driven.join("b", session_ms=1_000_000, metadata=b"new")
    driven.join("a", session_ms=SESSION_MS)
    driven.sync("a", 3, {})
    waiting = driven.join("a", session_ms=SESSION_MS)
    driven.pass_ms(REBALANCE_MS - 1)
    assert waiting not in driven.answers
    driven.pass_ms(1)
    assert driven.answers[waiting].refusal is None


def test_who_waits_for_the_assignment_is_not_put_out():
    driven = DrivenGroup()
    driven.stable("a", session_ms=1_000_000)
    driven.join(new_id="b", session_ms=SESSION_MS)
    driven.join("a", session_ms=1_000_000)
    waiting = driven.sync("b", 2)
    driven.pass_ms(REBALANCE_MS - 1)
    assert waiting not in driven.answers
    driven.sync("a", 2, {"b": b"2"})
    assert driven.answers[waiting].assignment == b"2"
    driven.pass_ms(SESSION_MS - 1)
    assert driven.heartbeat("b", 2) is None


def test_a_newcomer_does_not_wait_for_ever():
    driven = DrivenGroup()
    generation = driven.stable("a", rebalance_ms=1_000_000, session_ms=1_000_000)
    newcomer = driven.join(new_id="b", rebalance_ms=1_000_000)
    driven.pass_ms(NEW_MEMBER_MS - 1)
    assert newcomer not in driven.answers
    driven.pass_ms(1)
    assert driven.answers[newcomer].refusal is GroupRefusal.UNKNOWN_MEMBER_ID
    assert driven.answers[newcomer].member_id == ""
    assert driven.heartbeat("a", generation) is GroupRefusal.REBALANCE_IN_PROGRESS


def test_who_joined_and_never_asks_for_its_assignment_is_put_out():
    driven = DrivenGroup()
    driven.stable("a")
    driven.join(new_id="b")
    driven.join("a")
    driven.sync("a", 2, {"a": b"1", "b": b"2"})
    for _ in range(9):
        driven.pass_ms(REBALANCE_MS // 9)
        driven.heartbeat("a", 2)
        driven.heartbeat("b", 2)
    assert driven.member_ids == ["a", "b"]
    driven.pass_ms(REBALANCE_MS % 9)
    assert driven.member_ids == ["a"]
    assert driven.heartbeat("a", 2) is GroupRefusal.REBALANCE_IN_PROGRESS


def test_a_leader_that_never_assigns_is_put_out_and_another_leads():
    driven = DrivenGroup()
    driven.stable("a", session_ms=1_000_000)
    driven.join(new_id="b")
    driven.join("a", session_ms=1_000_000)
    waiting = driven.sync("b", 2)
    driven.pass_ms(REBALANCE_MS)
    assert driven.answers[waiting].refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    assert driven.answers[driven.join("b")].leader == "b"


def test_who_asked_for_its_assignment_is_not_put_out_for_it_later():
    driven = DrivenGroup()
    generation = driven.stable("a", "b", session_ms=1_000_000)
    driven.pass_ms(2 * REBALANCE_MS)
    assert driven.heartbeat("b", generation) is None


def test_an_alarm_that_comes_early_does_nothing():
    driven = DrivenGroup()
    generation = driven.stable("a")
    early_ms = driven.group.next_deadline
    driven.now_ms += SESSION_MS - 1
    driven.heartbeat("a", generation)
    effects = driven.group.on_deadline(early_ms - 1)
    assert (effects.replies, effects.records) == ([], [])
    driven.pass_ms(1)
    assert driven.group.next_deadline == driven.now_ms - 1 + SESSION_MS
    assert driven.heartbeat("a", generation) is None


def test_after_a_restart_a_settled_group_goes_on_with_fresh_sessions():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    driven.pass_ms(SESSION_MS - 1)
    driven.restart()
    driven.pass_ms(SESSION_MS - 1)
    assert driven.heartbeat("a", generation) is None
    assert driven.answers[driven.sync("b", generation)].assignment == b"b"
    driven.pass_ms(1)
    assert driven.member_ids == ["a"]


def test_after_a_restart_before_the_assignment_a_new_generation_begins():
    driven = DrivenGroup()
    driven.stable("a")
    driven.join(new_id="b")
    driven.join("a")
    driven.restart()
    sync = driven.sync("a", 2, {"a": b"1"})
    assert driven.answers[sync].refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    assert driven.heartbeat("b", 2) is GroupRefusal.REBALANCE_IN_PROGRESS
    tickets = [driven.join("a"), driven.join("b")]
    assert [driven.answers[one].generation_id for one in tickets] == [3, 3]


def test_after_such_a_restart_who_stays_away_is_not_waited_for_longer_than_a_rebalance():
    driven = DrivenGroup()
    driven.stable("a", session_ms=1_000_000)
    driven.join("a", session_ms=1_000_000)
    driven.restart()
    newcomer = driven.join(new_id="b")
    driven.pass_ms(REBALANCE_MS)
    assert driven.answers[newcomer].leader == "b"
