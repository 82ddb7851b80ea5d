import pytest

from common.ports.group_errors import GroupRefusal
from tests.support.groups.driven_group import SESSION_MS, DrivenGroup


def form_stable_group():
    """Forms a group of static members: a, the leader, is instance i, and b is instance j."""
    driven = DrivenGroup()
    first = driven.join(new_id="a", instance="i")
    driven.sync("a", driven.replies[first].generation_id, {"a": b"1"})
    driven.join(new_id="b", instance="j")
    joined = driven.replies[driven.join("a", instance="i")]
    driven.sync("a", joined.generation_id, {"a": b"1", "b": b"2"})
    driven.sync("b", joined.generation_id)
    return driven, joined.generation_id


def test_returning_follower_keeps_its_assignment_without_a_rebalance():
    driven, generation = form_stable_group()
    joined = driven.replies[driven.join(new_id="c", instance="j")]
    assert (joined.member_id, joined.generation_id, joined.leader) == ("c", generation, "a")
    assert (joined.members, joined.skip_assignment) == ((), False)
    assert driven.heartbeat("a", generation) is None
    assert driven.replies[driven.sync("c", generation)].assignment == b"2"


def test_former_member_id_is_fenced():
    driven, generation = form_stable_group()
    driven.join(new_id="c", instance="j")
    fenced = GroupRefusal.FENCED_INSTANCE_ID
    assert driven.heartbeat("b", generation, "j") is fenced
    assert driven.replies[driven.join("b", instance="j")].refusal is fenced
    ticket = driven.sync("b", generation, group_instance_id="j")
    assert driven.replies[ticket].refusal is fenced
    assert driven.commit(1, "b", generation, "j").refusal is fenced


def test_new_member_id_is_stored_with_the_response():
    driven, generation = form_stable_group()
    driven.join(new_id="c", instance="i")
    assert driven.stored.leader == "c"
    assert driven.stored.generation_id == generation
    members = {member.member_id: member for member in driven.stored.members}
    assert (members["c"].group_instance_id, members["c"].assignment) == ("i", b"1")
    assert members.keys() == {"b", "c"}


def test_returning_leader_skips_the_assignment():
    driven, _ = form_stable_group()
    joined = driven.replies[driven.join(new_id="c", instance="i", may_skip_assignment=True)]
    assert joined.leader == "c"
    assert joined.skip_assignment
    assert {member.member_id for member in joined.members} == {"b", "c"}


def test_returning_leader_of_an_older_version_gets_another_leader_id():
    driven, _ = form_stable_group()
    joined = driven.replies[driven.join(new_id="c", instance="i")]
    assert joined.leader == "a"
    assert (joined.members, joined.skip_assignment) == ((), False)


def test_return_that_changes_the_chosen_protocol_rebalances():
    driven = DrivenGroup()
    first = driven.join(new_id="a", instance="i", protocols=["range", "sticky"])
    generation = driven.replies[first].generation_id
    driven.sync("a", generation, {"a": b"1"})
    joined = driven.replies[driven.join(new_id="b", instance="i", protocols=["sticky"])]
    assert (joined.generation_id, joined.protocol_name) == (generation + 1, "sticky")


def test_return_before_the_assignment_rebalances():
    driven, generation = form_stable_group()
    driven.join("a", instance="i")
    driven.join("b", instance="j")
    pending_sync = driven.sync("b", generation + 1)
    returned = driven.join(new_id="c", instance="j")
    assert driven.replies[pending_sync].refusal is GroupRefusal.FENCED_INSTANCE_ID
    assert returned not in driven.replies
    assert driven.state == "PreparingRebalance"


def test_return_during_the_join_phase_replaces_the_pending_join():
    driven, generation = form_stable_group()
    pending_join = driven.join("a", instance="i")
    returned = driven.join(new_id="c", instance="i")
    assert driven.replies[pending_join].refusal is GroupRefusal.FENCED_INSTANCE_ID
    assert driven.replies[pending_join].member_id == "a"
    driven.join("b", instance="j")
    assert driven.replies[returned].generation_id == generation + 1
    assert driven.replies[returned].leader == "c"


@pytest.mark.parametrize("passed_ms", [SESSION_MS - 1, SESSION_MS])
def test_absent_static_member_stays_until_its_session_expires(passed_ms):
    driven, generation = form_stable_group()
    driven.heartbeat("a", generation)
    driven.pass_ms(passed_ms // 2)
    driven.heartbeat("a", generation)
    driven.pass_ms(passed_ms - passed_ms // 2)
    is_accepted = passed_ms < SESSION_MS
    assert (driven.heartbeat("a", generation) is None) == is_accepted


def test_returning_member_has_a_new_session():
    driven, generation = form_stable_group()
    driven.pass_ms(SESSION_MS - 1)
    driven.heartbeat("a", generation)
    driven.join(new_id="c", instance="j")
    driven.pass_ms(SESSION_MS - 1)
    assert driven.heartbeat("c", generation, "j") is None


def test_returning_member_without_sync_is_removed():
    driven = DrivenGroup()
    first = driven.join(new_id="a", instance="i", session_ms=100_000)
    driven.sync("a", driven.replies[first].generation_id, {"a": b"1"})
    driven.join(new_id="b", instance="j", session_ms=100_000)
    driven.join("a", instance="i", session_ms=100_000)
    driven.sync("a", 2, {"a": b"1", "b": b"2"})
    driven.join(new_id="c", instance="j", session_ms=100_000)
    driven.pass_ms(60_000)
    assert driven.member_ids == ["a"]
