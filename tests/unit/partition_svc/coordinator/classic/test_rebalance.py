from common.ports.group_errors import GroupRefusal
from tests.support.groups.driven_group import REBALANCE_MS, SESSION_MS, DrivenGroup

DELAY_MS = 3_000


def test_empty_group_waits_for_the_initial_delay():
    driven = DrivenGroup(initial_rebalance_delay_ms=DELAY_MS)
    first = driven.join(new_id="a")
    driven.pass_ms(DELAY_MS - 1)
    assert first not in driven.replies
    assert driven.state == "PreparingRebalance"
    driven.pass_ms(1)
    assert driven.replies[first].generation_id == 1


def test_new_members_extend_the_initial_delay():
    driven = DrivenGroup(initial_rebalance_delay_ms=DELAY_MS)
    first = driven.join(new_id="a")
    driven.pass_ms(2_000)
    second = driven.join(new_id="b")
    driven.pass_ms(DELAY_MS)
    assert not driven.replies
    driven.pass_ms(1_000)
    assert [driven.replies[ticket].generation_id for ticket in (first, second)] == [1, 1]


def test_initial_delay_is_limited_by_the_rebalance_timeout():
    driven = DrivenGroup(initial_rebalance_delay_ms=DELAY_MS)
    first = driven.join(new_id="a", rebalance_ms=7_000)
    for number in range(6):
        driven.pass_ms(1_000)
        driven.join(new_id=f"m{number}")
    driven.pass_ms(999)
    assert not driven.replies
    driven.pass_ms(1)
    assert len(driven.replies[first].members) == 7


def test_group_is_empty_if_all_members_expire_during_the_initial_delay():
    driven = DrivenGroup(initial_rebalance_delay_ms=DELAY_MS)
    ticket = driven.join(new_id="a")
    assert driven.leave("a") == [None]
    assert driven.replies[ticket].refusal is GroupRefusal.UNKNOWN_MEMBER_ID
    driven.pass_ms(DELAY_MS)
    assert driven.state == "Empty"


def test_new_member_starts_a_rebalance_that_waits_for_all_members():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    newcomer = driven.join(new_id="c")
    assert driven.heartbeat("a", generation) is GroupRefusal.REBALANCE_IN_PROGRESS
    driven.join("a")
    assert newcomer not in driven.replies
    driven.join("b")
    assert driven.replies[newcomer].generation_id == generation + 1


def test_only_the_leader_gets_the_list_of_members():
    driven = DrivenGroup()
    driven.stable("a", "b")
    leader, follower = driven.join("a"), driven.join("b")
    assert [member.member_id for member in driven.replies[leader].members] == ["a", "b"]
    assert driven.replies[follower].members == ()
    assert driven.replies[follower].leader == "a"


def test_member_that_does_not_join_in_time_is_removed():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    newcomer = driven.join(new_id="c")
    rejoin = driven.join("b")
    while driven.now_ms < 1_000_000 + REBALANCE_MS:
        driven.heartbeat("a", generation)
        assert newcomer not in driven.replies
        driven.pass_ms(SESSION_MS // 2)
    assert driven.replies[rejoin].leader == "b"
    assert [member.member_id for member in driven.replies[rejoin].members] == ["b", "c"]
    assert driven.heartbeat("a", generation) is GroupRefusal.UNKNOWN_MEMBER_ID


def test_rebalance_waits_for_the_longest_rebalance_timeout():
    driven = DrivenGroup()
    driven.stable("a", session_ms=1_000_000, rebalance_ms=90_000)
    newcomer = driven.join(new_id="b", rebalance_ms=20_000)
    driven.pass_ms(89_999)
    assert newcomer not in driven.replies
    driven.pass_ms(1)
    assert driven.replies[newcomer].leader == "b"


def test_static_members_stay_without_joining():
    driven = DrivenGroup()
    driven.stable("a", session_ms=1_000_000, instance="i")
    newcomer = driven.join(new_id="b")
    driven.pass_ms(REBALANCE_MS)
    assert driven.replies[newcomer].leader == "b"
    assert [member.member_id for member in driven.replies[newcomer].members] == ["a", "b"]


def test_generation_does_not_start_without_a_joined_member():
    driven = DrivenGroup()
    first = driven.join(new_id="a", instance="i", session_ms=1_000_000)
    generation = driven.replies[first].generation_id
    driven.sync("a", generation, {"a": b"all"})
    driven.join(new_id="b")
    driven.leave("b")
    driven.pass_ms(3 * REBALANCE_MS)
    assert driven.stored.generation_id == generation
    assert driven.replies[driven.join("a", instance="i")].generation_id == generation + 1


def test_group_is_empty_after_the_last_member_left():
    driven = DrivenGroup()
    generation = driven.stable("a")
    driven.leave("a")
    assert driven.state == "Empty"
    stored = driven.stored
    assert (stored.generation_id, stored.protocol, stored.leader) == (generation + 1, None, None)
    assert stored.protocol_type == "consumer"
    assert stored.members == []


def test_generation_is_stored_with_the_responses():
    driven = DrivenGroup()
    driven.join(new_id="a", session_ms=7_000)
    stored = driven.stored
    assert (stored.generation_id, stored.leader, stored.protocol) == (1, "a", "range")
    assert stored.state_since_ms == driven.now_ms
    assert [(member.member_id, member.assignment) for member in stored.members] == [("a", b"")]


def test_assignments_are_cleared_in_the_next_generation():
    driven = DrivenGroup()
    driven.stable("a")
    driven.join("a")
    assert driven.stored.members[0].assignment == b""
