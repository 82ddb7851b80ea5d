from common.ports.group_errors import GroupRefusal
from tests.support.groups.driven_group import REBALANCE_MS, SESSION_MS, DrivenGroup

NEW_MEMBER_MS = 300_000


def test_expired_session_removes_the_member_and_rebalances():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    driven.pass_ms(SESSION_MS - 1)
    assert driven.heartbeat("a", generation) is None
    driven.pass_ms(1)
    assert driven.member_ids == ["a"]
    assert driven.heartbeat("a", generation) is GroupRefusal.REBALANCE_IN_PROGRESS


def test_group_is_empty_after_all_sessions_expired():
    driven = DrivenGroup()
    driven.stable("a", "b")
    driven.pass_ms(SESSION_MS)
    assert driven.state == "Empty"
    assert driven.stored.members == []
    assert driven.group.next_deadline is None


def test_session_does_not_expire_while_a_join_is_pending():
    driven = DrivenGroup()
    driven.stable("a", "b", session_ms=SESSION_MS)
    driven.join("b", session_ms=1_000_000, metadata=b"new")
    driven.join("a", session_ms=SESSION_MS)
    driven.sync("a", 3, {})
    pending = driven.join("a", session_ms=SESSION_MS)
    driven.pass_ms(REBALANCE_MS - 1)
    assert pending not in driven.replies
    driven.pass_ms(1)
    assert driven.replies[pending].refusal is None


def test_session_does_not_expire_while_a_sync_is_pending():
    driven = DrivenGroup()
    driven.stable("a", session_ms=1_000_000)
    driven.join(new_id="b", session_ms=SESSION_MS)
    driven.join("a", session_ms=1_000_000)
    pending = driven.sync("b", 2)
    driven.pass_ms(REBALANCE_MS - 1)
    assert pending not in driven.replies
    driven.sync("a", 2, {"b": b"2"})
    assert driven.replies[pending].assignment == b"2"
    driven.pass_ms(SESSION_MS - 1)
    assert driven.heartbeat("b", 2) is None


def test_pending_join_of_a_new_member_expires():
    driven = DrivenGroup()
    generation = driven.stable("a", rebalance_ms=1_000_000, session_ms=1_000_000)
    newcomer = driven.join(new_id="b", rebalance_ms=1_000_000)
    driven.pass_ms(NEW_MEMBER_MS - 1)
    assert newcomer not in driven.replies
    driven.pass_ms(1)
    assert driven.replies[newcomer].refusal is GroupRefusal.UNKNOWN_MEMBER_ID
    assert driven.replies[newcomer].member_id == ""
    assert driven.heartbeat("a", generation) is GroupRefusal.REBALANCE_IN_PROGRESS


def test_member_without_sync_is_removed_after_the_rebalance_timeout():
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


def test_leader_without_sync_is_replaced():
    driven = DrivenGroup()
    driven.stable("a", session_ms=1_000_000)
    driven.join(new_id="b")
    driven.join("a", session_ms=1_000_000)
    pending = driven.sync("b", 2)
    driven.pass_ms(REBALANCE_MS)
    assert driven.replies[pending].refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    assert driven.replies[driven.join("b")].leader == "b"


def test_member_that_synced_is_not_removed_at_the_sync_deadline():
    driven = DrivenGroup()
    generation = driven.stable("a", "b", session_ms=1_000_000)
    driven.pass_ms(2 * REBALANCE_MS)
    assert driven.heartbeat("b", generation) is None


def test_early_timer_does_nothing():
    driven = DrivenGroup()
    generation = driven.stable("a")
    early_ms = driven.group.next_deadline
    driven.now_ms += SESSION_MS - 1
    driven.heartbeat("a", generation)
    result = driven.group.on_deadline(early_ms - 1)
    assert (result.replies, result.records) == ([], [])
    driven.pass_ms(1)
    assert driven.group.next_deadline == driven.now_ms - 1 + SESSION_MS
    assert driven.heartbeat("a", generation) is None


def test_loaded_stable_group_stays_stable_with_new_sessions():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    driven.pass_ms(SESSION_MS - 1)
    driven.restart()
    driven.pass_ms(SESSION_MS - 1)
    assert driven.heartbeat("a", generation) is None
    assert driven.replies[driven.sync("b", generation)].assignment == b"b"
    driven.pass_ms(1)
    assert driven.member_ids == ["a"]


def test_loaded_group_without_assignment_rebalances():
    driven = DrivenGroup()
    driven.stable("a")
    driven.join(new_id="b")
    driven.join("a")
    driven.restart()
    sync = driven.sync("a", 2, {"a": b"1"})
    assert driven.replies[sync].refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    assert driven.heartbeat("b", 2) is GroupRefusal.REBALANCE_IN_PROGRESS
    tickets = [driven.join("a"), driven.join("b")]
    assert [driven.replies[ticket].generation_id for ticket in tickets] == [3, 3]


def test_rebalance_after_a_load_waits_for_one_rebalance_timeout():
    driven = DrivenGroup()
    driven.stable("a", session_ms=1_000_000)
    driven.join("a", session_ms=1_000_000)
    driven.restart()
    newcomer = driven.join(new_id="b")
    driven.pass_ms(REBALANCE_MS)
    assert driven.replies[newcomer].leader == "b"
