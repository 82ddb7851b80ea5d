import pytest

from common.ports.classic_groups import Joined
from common.ports.group_errors import GroupRefusal
from tests.support.groups.driven_group import READS_T, SESSION_MS, DrivenGroup


def test_the_first_member_of_a_group_without_delay_begins_a_generation_at_once():
    driven = DrivenGroup()
    joined = driven.answers[driven.join(new_id="a")]
    assert (joined.member_id, joined.generation_id, joined.leader) == ("a", 1, "a")
    assert (joined.protocol_type, joined.protocol_name) == ("consumer", "range")
    assert [(one.member_id, one.metadata) for one in joined.members] == [("a", READS_T)]
    assert joined.refusal is None
    assert driven.state == "CompletingRebalance"


def test_who_has_no_id_is_given_one_to_come_back_with():
    driven = DrivenGroup()
    joined = driven.answers[driven.join(new_id="a", needs_member_id=True)]
    assert joined.refusal is GroupRefusal.MEMBER_ID_REQUIRED
    assert joined.member_id == "a"
    assert driven.member_ids == []
    assert driven.answers[driven.join("a", needs_member_id=True)].generation_id == 1


def test_an_id_that_nobody_came_back_with_is_forgotten():
    driven = DrivenGroup()
    driven.join(new_id="a", needs_member_id=True)
    assert driven.group.exists
    driven.pass_ms(SESSION_MS)
    assert not driven.group.exists
    assert driven.answers[driven.join("a")].refusal is GroupRefusal.UNKNOWN_MEMBER_ID


def test_static_members_are_not_sent_back_for_their_id():
    driven = DrivenGroup()
    joined = driven.answers[driven.join(new_id="a", instance="i", needs_member_id=True)]
    assert joined.generation_id == 1
    assert joined.members[0].group_instance_id == "i"


@pytest.mark.parametrize("instance", ["i", "another"])
def test_an_id_to_come_back_with_is_not_for_a_static_member(instance):
    """Kafka raises an IllegalStateException."""
    driven = DrivenGroup()
    driven.stable("a", instance="i")
    driven.join(new_id="b", needs_member_id=True)
    joined = driven.answers[driven.join("b", instance=instance)]
    assert joined == Joined(refusal=GroupRefusal.UNKNOWN_SERVER_ERROR)
    assert (driven.state, driven.member_ids) == ("Stable", ["a"])
    driven.pass_ms(SESSION_MS)
    assert driven.member_ids == []


def test_a_rebalance_waits_for_who_was_given_an_id():
    driven = DrivenGroup()
    generation = driven.stable("a")
    driven.join(new_id="b", needs_member_id=True)
    again = driven.join("a")
    assert again not in driven.answers
    entered = driven.join("b", needs_member_id=True)
    assert driven.answers[again].generation_id == generation + 1
    assert driven.answers[entered].leader == "a"


def test_a_member_that_nobody_knows_is_told_so():
    driven = DrivenGroup()
    assert driven.answers[driven.join("x")].refusal is GroupRefusal.UNKNOWN_MEMBER_ID
    assert not driven.group.exists
    driven.stable("a")
    assert driven.answers[driven.join("x")].refusal is GroupRefusal.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("session_ms", [-1, 5_999, 1_800_001])
def test_a_session_is_neither_too_short_nor_too_long(session_ms):
    driven = DrivenGroup()
    joined = driven.answers[driven.join(session_ms=session_ms)]
    assert joined.refusal is GroupRefusal.INVALID_SESSION_TIMEOUT
    assert not driven.group.exists


@pytest.mark.parametrize(
    "fields", [{"protocols": []}, {"protocol_type": ""}], ids=["no protocols", "no type"]
)
def test_an_empty_group_needs_to_know_some_protocol(fields):
    driven = DrivenGroup()
    joined = driven.answers[driven.join(**fields)]
    assert joined.refusal is GroupRefusal.INCONSISTENT_GROUP_PROTOCOL


@pytest.mark.parametrize(
    "fields", [{"protocols": ["sticky"]}, {"protocol_type": "connect"}], ids=["name", "type"]
)
def test_newcomers_share_a_protocol_with_all_members(fields):
    driven = DrivenGroup()
    generation = driven.stable("a")
    joined = driven.answers[driven.join(new_id="b", **fields)]
    assert joined.refusal is GroupRefusal.INCONSISTENT_GROUP_PROTOCOL
    assert driven.heartbeat("a", generation) is None


def test_a_full_group_takes_nobody_else():
    driven = DrivenGroup(max_size=1)
    driven.stable("a")
    joined = driven.answers[driven.join(new_id="b")]
    assert joined.refusal is GroupRefusal.GROUP_MAX_SIZE_REACHED
    assert driven.state == "Stable"
    assert driven.answers[driven.join("a")].refusal is None


def test_of_a_group_that_is_too_large_those_stay_who_join_first():
    driven = DrivenGroup()
    generation = driven.stable("a", "b", "c")
    driven.settings = type(driven.settings)(max_size=2)
    driven.restart()
    assert driven.heartbeat("a", generation) is GroupRefusal.REBALANCE_IN_PROGRESS
    tickets = [driven.join("c"), driven.join("b"), driven.join("a")]
    answers = [driven.answers[one] for one in tickets]
    assert [one.refusal for one in answers] == [None, None, GroupRefusal.GROUP_MAX_SIZE_REACHED]
    assert driven.member_ids == ["b", "c"]


def test_a_follower_that_changes_nothing_is_told_the_generation():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    joined = driven.answers[driven.join("b")]
    assert (joined.generation_id, joined.leader, joined.members) == (generation, "a", ())
    assert driven.state == "Stable"


@pytest.mark.parametrize("member_id", ["a", "b"])
def test_a_join_that_comes_again_before_the_assignment_is_told_the_same(member_id):
    driven = DrivenGroup()
    driven.stable("a")
    tickets = [driven.join(new_id="b"), driven.join("a")]
    told = {driven.answers[one].member_id: driven.answers[one] for one in tickets}
    assert driven.answers[driven.join(member_id)] == told[member_id]
    assert driven.state == "CompletingRebalance"


def test_a_leader_that_joins_a_stable_group_wants_it_assigned_anew():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    ticket = driven.join("a")
    assert ticket not in driven.answers
    assert driven.heartbeat("b", generation) is GroupRefusal.REBALANCE_IN_PROGRESS


@pytest.mark.parametrize(
    "change", [{"metadata": b"other"}, {"protocols": ["range", "sticky"]}], ids=["data", "list"]
)
def test_a_follower_that_says_something_new_begins_a_rebalance(change):
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    driven.join("b", **change)
    assert driven.heartbeat("a", generation) is GroupRefusal.REBALANCE_IN_PROGRESS
    joined = driven.answers[driven.join("a")]
    assert joined.generation_id == generation + 1
    assert joined.members[1].metadata == change.get("metadata", READS_T)


def test_a_change_before_the_assignment_begins_a_rebalance_and_ends_the_waiting_syncs():
    driven = DrivenGroup()
    driven.stable("a")
    driven.join(new_id="b")
    driven.join("a")
    waiting = driven.sync("b", 2)
    driven.join("a", metadata=b"other")
    assert driven.answers[waiting].refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    assert driven.state == "PreparingRebalance"


def test_a_join_sent_twice_answers_both():
    driven = DrivenGroup()
    driven.stable("a", "b")
    first, second = driven.join("a"), driven.join("a")
    assert driven.answers[first].refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    driven.join("b")
    assert driven.answers[second].refusal is None


def test_a_groups_name_is_not_empty():
    driven = DrivenGroup()
    driven.group = driven.group_of("")
    assert driven.answers[driven.join()].refusal is GroupRefusal.INVALID_GROUP_ID


def test_the_time_outs_of_a_member_are_those_it_said_last():
    driven = DrivenGroup()
    driven.stable("a")
    driven.join("a", session_ms=20_000, rebalance_ms=30_000)
    member = driven.stored.members[0]
    assert (member.session_timeout_ms, member.rebalance_timeout_ms) == (20_000, 30_000)


def test_ids_that_are_asked_for_without_end_do_not_fill_the_memory():
    driven = DrivenGroup()
    for number in range(10_001):
        driven.join(new_id=f"m{number}", needs_member_id=True)
    assert driven.answers[driven.join("m0")].refusal is GroupRefusal.UNKNOWN_MEMBER_ID
    assert driven.answers[driven.join("m10000")].refusal is None


def test_a_protocol_that_a_member_gave_up_is_not_common_any_more():
    driven = DrivenGroup()
    driven.stable("a", protocols=["range", "sticky"])
    assert driven.answers[driven.join("a", protocols=["sticky"])].protocol_name == "sticky"
    joined = driven.answers[driven.join(new_id="b", protocols=["range"])]
    assert joined.refusal is GroupRefusal.INCONSISTENT_GROUP_PROTOCOL
