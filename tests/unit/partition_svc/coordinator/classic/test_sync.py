import pytest

from common.ports.group_errors import GroupRefusal
from tests.support.groups.driven_group import DrivenGroup


def join_two_members():
    """Joins a, the leader, and b into generation 2, which waits for its assignment."""
    driven = DrivenGroup()
    driven.stable("a")
    driven.join(new_id="b")
    driven.join("a")
    return driven


def test_followers_wait_for_the_assignment():
    driven = join_two_members()
    follower = driven.sync("b", 2)
    assert follower not in driven.replies
    leader = driven.sync("a", 2, {"a": b"1", "b": b"2"})
    assert driven.replies[leader].assignment == b"1"
    assert driven.replies[follower].assignment == b"2"
    assert driven.replies[follower].protocol_type == "consumer"
    assert driven.replies[follower].protocol_name == "range"
    assert driven.state == "Stable"


def test_sync_after_the_leader_gets_the_assignment_at_once():
    driven = join_two_members()
    driven.sync("a", 2, {"a": b"1", "b": b"2"})
    assert driven.replies[driven.sync("b", 2)].assignment == b"2"


def test_assignment_is_stored_with_the_responses():
    driven = join_two_members()
    driven.sync("a", 2, {"a": b"1", "b": b"2"})
    assert [member.assignment for member in driven.stored.members] == [b"1", b"2"]
    assert driven.stored.generation_id == 2


def test_member_without_assignment_gets_an_empty_one():
    driven = join_two_members()
    driven.sync("a", 2, {"a": b"1", "x": b"ignored"})
    synced = driven.replies[driven.sync("b", 2)]
    assert (synced.assignment, synced.refusal) == (b"", None)


def test_repeated_sync_of_the_leader_changes_nothing():
    driven = join_two_members()
    driven.sync("a", 2, {"a": b"1"})
    assert driven.replies[driven.sync("a", 2, {"a": b"other"})].assignment == b"1"


def test_assignments_of_followers_are_ignored():
    driven = join_two_members()
    assert driven.sync("b", 2, {"a": b"", "b": b"all"}) not in driven.replies
    assert driven.state == "CompletingRebalance"


def test_repeated_sync_responds_to_both():
    driven = join_two_members()
    first, second = driven.sync("b", 2), driven.sync("b", 2)
    assert driven.replies[first].refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    driven.sync("a", 2, {"b": b"2"})
    assert driven.replies[second].assignment == b"2"


@pytest.mark.parametrize(
    ("member_id", "fields", "refusal"),
    [
        ("x", {}, GroupRefusal.UNKNOWN_MEMBER_ID),
        ("b", {"generation_id": 1}, GroupRefusal.ILLEGAL_GENERATION),
        ("b", {"generation_id": 3}, GroupRefusal.ILLEGAL_GENERATION),
        ("b", {"protocol_type": "connect"}, GroupRefusal.INCONSISTENT_GROUP_PROTOCOL),
        ("b", {"protocol_name": "sticky"}, GroupRefusal.INCONSISTENT_GROUP_PROTOCOL),
    ],
)
def test_sync_of_another_generation_or_protocol_is_rejected(member_id, fields, refusal):
    driven = join_two_members()
    ticket = driven.sync(member_id, **{"generation_id": 2, **fields})
    assert driven.replies[ticket].refusal is refusal


def test_sync_during_the_join_phase_is_rejected():
    driven = DrivenGroup()
    generation = driven.stable("a")
    driven.join(new_id="b")
    ticket = driven.sync("a", generation)
    assert driven.replies[ticket].refusal is GroupRefusal.REBALANCE_IN_PROGRESS


def test_pending_syncs_are_rejected_when_the_leader_leaves():
    driven = join_two_members()
    follower = driven.sync("b", 2)
    driven.leave("a")
    assert driven.replies[follower].refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    assert driven.replies[driven.join("b")].leader == "b"


def test_pending_sync_of_a_leaving_member_is_rejected():
    driven = join_two_members()
    follower = driven.sync("b", 2)
    driven.leave("b")
    assert driven.replies[follower].refusal is GroupRefusal.UNKNOWN_MEMBER_ID


def test_sync_in_an_unknown_group_is_rejected():
    driven = DrivenGroup()
    assert driven.replies[driven.sync("a", 1)].refusal is GroupRefusal.UNKNOWN_MEMBER_ID
    driven.group = driven.group_of("")
    assert driven.replies[driven.sync("a", 1)].refusal is GroupRefusal.INVALID_GROUP_ID
