from common.ports.group_errors import GroupRefusal
from tests.support.groups.driven_group import REBALANCE_MS, SESSION_MS, DrivenGroup

DELAY_MS = 3_000


def test_an_empty_group_waits_its_delay_for_members():
    driven = DrivenGroup(initial_rebalance_delay_ms=DELAY_MS)
    first = driven.join(new_id="a")
    driven.pass_ms(DELAY_MS - 1)
    assert first not in driven.answers
    assert driven.state == "PreparingRebalance"
    driven.pass_ms(1)
    assert driven.answers[first].generation_id == 1


def test_newcomers_extend_the_delay():
    driven = DrivenGroup(initial_rebalance_delay_ms=DELAY_MS)
    first = driven.join(new_id="a")
    driven.pass_ms(2_000)
    second = driven.join(new_id="b")
    driven.pass_ms(DELAY_MS)
    assert not driven.answers
    driven.pass_ms(1_000)
    assert [driven.answers[one].generation_id for one in (first, second)] == [1, 1]


def test_newcomers_extend_the_delay_up_to_the_rebalance_timeout():
    driven = DrivenGroup(initial_rebalance_delay_ms=DELAY_MS)
    first = driven.join(new_id="a", rebalance_ms=7_000)
    for number in range(6):
        driven.pass_ms(1_000)
        driven.join(new_id=f"m{number}")
    driven.pass_ms(999)
    assert not driven.answers
    driven.pass_ms(1)
    assert len(driven.answers[first].members) == 7


def test_a_delay_that_nobody_lived_through_leaves_an_empty_group():
    driven = DrivenGroup(initial_rebalance_delay_ms=DELAY_MS)
    ticket = driven.join(new_id="a")
    assert driven.leave("a") == [None]
    assert driven.answers[ticket].refusal is GroupRefusal.UNKNOWN_MEMBER_ID
    driven.pass_ms(DELAY_MS)
    assert driven.state == "Empty"


def test_a_newcomer_begins_a_rebalance_that_waits_for_every_member():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    newcomer = driven.join(new_id="c")
    assert driven.heartbeat("a", generation) is GroupRefusal.REBALANCE_IN_PROGRESS
    driven.join("a")
    assert newcomer not in driven.answers
    driven.join("b")
    assert driven.answers[newcomer].generation_id == generation + 1


def test_only_the_leader_is_told_of_the_others():
    driven = DrivenGroup()
    driven.stable("a", "b")
    leader, follower = driven.join("a"), driven.join("b")
    assert [one.member_id for one in driven.answers[leader].members] == ["a", "b"]
    assert driven.answers[follower].members == ()
    assert driven.answers[follower].leader == "a"


def test_who_does_not_join_in_time_is_put_out():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    newcomer = driven.join(new_id="c")
    again = driven.join("b")
    while driven.now_ms < 1_000_000 + REBALANCE_MS:
        driven.heartbeat("a", generation)
        assert newcomer not in driven.answers
        driven.pass_ms(SESSION_MS // 2)
    assert driven.answers[again].leader == "b"
    assert [one.member_id for one in driven.answers[again].members] == ["b", "c"]
    assert driven.heartbeat("a", generation) is GroupRefusal.UNKNOWN_MEMBER_ID


def test_the_longest_rebalance_timeout_of_all_members_holds():
    driven = DrivenGroup()
    driven.stable("a", session_ms=1_000_000, rebalance_ms=90_000)
    newcomer = driven.join(new_id="b", rebalance_ms=20_000)
    driven.pass_ms(89_999)
    assert newcomer not in driven.answers
    driven.pass_ms(1)
    assert driven.answers[newcomer].leader == "b"


def test_static_members_that_do_not_join_in_time_stay():
    driven = DrivenGroup()
    driven.stable("a", session_ms=1_000_000, instance="i")
    newcomer = driven.join(new_id="b")
    driven.pass_ms(REBALANCE_MS)
    assert driven.answers[newcomer].leader == "b"
    assert [one.member_id for one in driven.answers[newcomer].members] == ["a", "b"]


def test_a_generation_does_not_begin_before_anybody_joins():
    driven = DrivenGroup()
    first = driven.join(new_id="a", instance="i", session_ms=1_000_000)
    generation = driven.answers[first].generation_id
    driven.sync("a", generation, {"a": b"all"})
    driven.join(new_id="b")
    driven.leave("b")
    driven.pass_ms(3 * REBALANCE_MS)
    assert driven.stored.generation_id == generation
    assert driven.answers[driven.join("a", instance="i")].generation_id == generation + 1


def test_the_last_member_to_go_ends_the_generation():
    driven = DrivenGroup()
    generation = driven.stable("a")
    driven.leave("a")
    assert driven.state == "Empty"
    stored = driven.stored
    assert (stored.generation_id, stored.protocol, stored.leader) == (generation + 1, None, None)
    assert stored.protocol_type == "consumer"
    assert stored.members == []


def test_a_generation_is_stored_before_anybody_is_told_of_it():
    driven = DrivenGroup()
    driven.join(new_id="a", session_ms=7_000)
    stored = driven.stored
    assert (stored.generation_id, stored.leader, stored.protocol) == (1, "a", "range")
    assert stored.state_since_ms == driven.now_ms
    assert [(one.member_id, one.assignment) for one in stored.members] == [("a", b"")]


def test_what_was_assigned_before_does_not_count_in_the_next_generation():
    driven = DrivenGroup()
    driven.stable("a")
    driven.join("a")
    assert driven.stored.members[0].assignment == b""
