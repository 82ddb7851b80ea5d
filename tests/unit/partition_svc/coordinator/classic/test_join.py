import pytest

from common.ports.classic_groups import JoinReply
from common.ports.group_errors import GroupRefusal
from tests.support.groups.driven_group import READS_T, SESSION_MS, DrivenGroup


def test_first_member_starts_a_generation_at_once_without_initial_delay():
    driven = DrivenGroup()
    joined = driven.replies[driven.join(new_id="a")]
    assert (joined.member_id, joined.generation_id, joined.leader) == ("a", 1, "a")
    assert (joined.protocol_type, joined.protocol_name) == ("consumer", "range")
    assert [(member.member_id, member.metadata) for member in joined.members] == [("a", READS_T)]
    assert joined.refusal is None
    assert driven.state == "CompletingRebalance"


def test_join_without_id_gets_a_member_id():
    driven = DrivenGroup()
    joined = driven.replies[driven.join(new_id="a", needs_member_id=True)]
    assert joined.refusal is GroupRefusal.MEMBER_ID_REQUIRED
    assert joined.member_id == "a"
    assert driven.member_ids == []
    assert driven.replies[driven.join("a", needs_member_id=True)].generation_id == 1


def test_pending_member_id_expires():
    driven = DrivenGroup()
    driven.join(new_id="a", needs_member_id=True)
    assert driven.group.exists
    driven.pass_ms(SESSION_MS)
    assert not driven.group.exists
    assert driven.replies[driven.join("a")].refusal is GroupRefusal.UNKNOWN_MEMBER_ID


def test_static_member_joins_without_a_pending_id():
    driven = DrivenGroup()
    joined = driven.replies[driven.join(new_id="a", instance="i", needs_member_id=True)]
    assert joined.generation_id == 1
    assert joined.members[0].group_instance_id == "i"


@pytest.mark.parametrize("instance", ["i", "another"])
def test_static_member_with_a_pending_id_is_rejected(instance):
    """Kafka raises an IllegalStateException."""
    driven = DrivenGroup()
    driven.stable("a", instance="i")
    driven.join(new_id="b", needs_member_id=True)
    joined = driven.replies[driven.join("b", instance=instance)]
    assert joined == JoinReply(refusal=GroupRefusal.UNKNOWN_SERVER_ERROR)
    assert (driven.state, driven.member_ids) == ("Stable", ["a"])
    driven.pass_ms(SESSION_MS)
    assert driven.member_ids == []


def test_rebalance_waits_for_pending_member_ids():
    driven = DrivenGroup()
    generation = driven.stable("a")
    driven.join(new_id="b", needs_member_id=True)
    rejoin = driven.join("a")
    assert rejoin not in driven.replies
    new_join = driven.join("b", needs_member_id=True)
    assert driven.replies[rejoin].generation_id == generation + 1
    assert driven.replies[new_join].leader == "a"


def test_unknown_member_is_rejected():
    driven = DrivenGroup()
    assert driven.replies[driven.join("x")].refusal is GroupRefusal.UNKNOWN_MEMBER_ID
    assert not driven.group.exists
    driven.stable("a")
    assert driven.replies[driven.join("x")].refusal is GroupRefusal.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("session_ms", [-1, 5_999, 1_800_001])
def test_session_timeout_has_bounds(session_ms):
    driven = DrivenGroup()
    joined = driven.replies[driven.join(session_ms=session_ms)]
    assert joined.refusal is GroupRefusal.INVALID_SESSION_TIMEOUT
    assert not driven.group.exists


@pytest.mark.parametrize(
    "fields", [{"protocols": []}, {"protocol_type": ""}], ids=["no protocols", "no type"]
)
def test_empty_group_needs_a_protocol(fields):
    driven = DrivenGroup()
    joined = driven.replies[driven.join(**fields)]
    assert joined.refusal is GroupRefusal.INCONSISTENT_GROUP_PROTOCOL


@pytest.mark.parametrize(
    "fields", [{"protocols": ["sticky"]}, {"protocol_type": "connect"}], ids=["name", "type"]
)
def test_new_member_must_share_a_protocol_with_all_members(fields):
    driven = DrivenGroup()
    generation = driven.stable("a")
    joined = driven.replies[driven.join(new_id="b", **fields)]
    assert joined.refusal is GroupRefusal.INCONSISTENT_GROUP_PROTOCOL
    assert driven.heartbeat("a", generation) is None


def test_full_group_rejects_new_members():
    driven = DrivenGroup(max_size=1)
    driven.stable("a")
    joined = driven.replies[driven.join(new_id="b")]
    assert joined.refusal is GroupRefusal.GROUP_MAX_SIZE_REACHED
    assert driven.state == "Stable"
    assert driven.replies[driven.join("a")].refusal is None


def test_first_members_to_join_stay_in_a_group_over_its_limit():
    driven = DrivenGroup()
    generation = driven.stable("a", "b", "c")
    driven.settings = type(driven.settings)(max_size=2)
    driven.restart()
    assert driven.heartbeat("a", generation) is GroupRefusal.REBALANCE_IN_PROGRESS
    tickets = [driven.join("c"), driven.join("b"), driven.join("a")]
    responses = [driven.replies[ticket] for ticket in tickets]
    assert [response.refusal for response in responses] == [
        None,
        None,
        GroupRefusal.GROUP_MAX_SIZE_REACHED,
    ]
    assert driven.member_ids == ["b", "c"]


def test_unchanged_follower_gets_the_current_generation():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    joined = driven.replies[driven.join("b")]
    assert (joined.generation_id, joined.leader, joined.members) == (generation, "a", ())
    assert driven.state == "Stable"


@pytest.mark.parametrize("member_id", ["a", "b"])
def test_repeated_join_before_the_assignment_gets_the_same_response(member_id):
    driven = DrivenGroup()
    driven.stable("a")
    tickets = [driven.join(new_id="b"), driven.join("a")]
    responses = {driven.replies[ticket].member_id: driven.replies[ticket] for ticket in tickets}
    assert driven.replies[driven.join(member_id)] == responses[member_id]
    assert driven.state == "CompletingRebalance"


def test_leader_that_joins_a_stable_group_starts_a_rebalance():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    ticket = driven.join("a")
    assert ticket not in driven.replies
    assert driven.heartbeat("b", generation) is GroupRefusal.REBALANCE_IN_PROGRESS


@pytest.mark.parametrize(
    "change", [{"metadata": b"other"}, {"protocols": ["range", "sticky"]}], ids=["data", "list"]
)
def test_changed_follower_starts_a_rebalance(change):
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    driven.join("b", **change)
    assert driven.heartbeat("a", generation) is GroupRefusal.REBALANCE_IN_PROGRESS
    joined = driven.replies[driven.join("a")]
    assert joined.generation_id == generation + 1
    assert joined.members[1].metadata == change.get("metadata", READS_T)


def test_changed_member_before_the_assignment_rejects_pending_syncs():
    driven = DrivenGroup()
    driven.stable("a")
    driven.join(new_id="b")
    driven.join("a")
    pending_sync = driven.sync("b", 2)
    driven.join("a", metadata=b"other")
    assert driven.replies[pending_sync].refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    assert driven.state == "PreparingRebalance"


def test_repeated_join_responds_to_both():
    driven = DrivenGroup()
    driven.stable("a", "b")
    first, second = driven.join("a"), driven.join("a")
    assert driven.replies[first].refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    driven.join("b")
    assert driven.replies[second].refusal is None


def test_empty_group_id_is_rejected():
    driven = DrivenGroup()
    driven.group = driven.group_of("")
    assert driven.replies[driven.join()].refusal is GroupRefusal.INVALID_GROUP_ID


def test_last_join_sets_the_timeouts_of_a_member():
    driven = DrivenGroup()
    driven.stable("a")
    driven.join("a", session_ms=20_000, rebalance_ms=30_000)
    member = driven.stored.members[0]
    assert (member.session_timeout_ms, member.rebalance_timeout_ms) == (20_000, 30_000)


def test_number_of_pending_member_ids_is_limited():
    driven = DrivenGroup()
    for number in range(10_001):
        driven.join(new_id=f"m{number}", needs_member_id=True)
    assert driven.replies[driven.join("m0")].refusal is GroupRefusal.UNKNOWN_MEMBER_ID
    assert driven.replies[driven.join("m10000")].refusal is None


def test_protocol_that_a_member_dropped_is_not_chosen():
    driven = DrivenGroup()
    driven.stable("a", protocols=["range", "sticky"])
    assert driven.replies[driven.join("a", protocols=["sticky"])].protocol_name == "sticky"
    joined = driven.replies[driven.join(new_id="b", protocols=["range"])]
    assert joined.refusal is GroupRefusal.INCONSISTENT_GROUP_PROTOCOL
