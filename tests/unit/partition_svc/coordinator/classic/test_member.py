from common.ports.classic_groups import GroupProtocol, Joined, Synced
from common.ports.group_errors import GroupClient, GroupRefusal
from partition_svc.coordinator.classic.member import ClassicGroupMember, restored_member
from partition_svc.coordinator.records.result import Effects
from partition_svc.coordinator.records.stored import StoredMember

CLIENT = GroupClient("c", "/h")


def a_member():
    return ClassicGroupMember(
        "a", "i", CLIENT, [GroupProtocol("x", b"1"), GroupProtocol("y", b"2")], 60, 10
    )


def test_metadata_is_that_of_the_protocol():
    member = a_member()
    assert [member.metadata(one) for one in ("x", "y", "z", None)] == [b"1", b"2", b"", b""]


def test_a_vote_is_for_the_first_that_may_be_chosen():
    assert a_member().vote({"y", "x"}) == "x"
    assert a_member().vote({"y", "z"}) == "y"


def test_what_waits_is_answered_once():
    member, effects = a_member(), Effects(0)
    member.hold_join(1, effects)
    member.respond_to_join(Joined("a"), effects)
    member.respond_to_join(Joined("b"), effects)
    member.hold_sync(2, effects)
    member.respond_to_sync(Synced(b"1"), effects)
    member.reject_pending(GroupRefusal.UNKNOWN_MEMBER_ID, effects)
    assert effects.replies == [(1, Joined("a")), (2, Synced(b"1"))]


def test_both_a_join_and_a_sync_are_refused():
    member, effects = a_member(), Effects(0)
    member.hold_join(1, effects)
    member.hold_sync(2, effects)
    fenced = GroupRefusal.FENCED_INSTANCE_ID
    member.reject_pending(fenced, effects)
    assert effects.replies == [(1, Joined("a", refusal=fenced)), (2, Synced(refusal=fenced))]


def test_a_ticket_may_be_anything_but_none():
    member, effects = a_member(), Effects(0)
    member.hold_sync(0, effects)
    assert member.is_waiting
    member.respond_to_sync(Synced(), effects)
    assert effects.replies == [(0, Synced())]


def test_who_waits_is_held_unless_it_is_new():
    member = a_member()
    assert not member.is_waiting
    member.hold_join(1, Effects(0))
    assert member.is_waiting
    member.is_new = True
    assert not member.is_waiting


def test_what_is_stored_comes_back_with_the_chosen_protocol_alone():
    member = a_member()
    member.assignment = b"all"
    stored = member.stored("y")
    assert stored == StoredMember("a", "i", CLIENT, 60, 10, b"2", b"all")
    restored = restored_member(stored, "y")
    assert restored.protocols == [GroupProtocol("y", b"2")]
    assert restored.stored("y") == stored


def test_an_old_record_without_rebalance_timeout_has_that_of_the_session():
    stored = a_member().stored("x")._replace(rebalance_timeout_ms=-1)
    assert restored_member(stored, "x").rebalance_timeout_ms == 10


def test_metadata_is_described_under_a_protocol_only():
    member = a_member()
    member.assignment = b"all"
    settled, unsettled = member.described("x"), member.described(None)
    assert (settled.metadata, settled.assignment) == (b"1", b"all")
    assert (unsettled.metadata, unsettled.assignment) == (b"", b"all")
    assert (settled.member_id, settled.group_instance_id, settled.client) == ("a", "i", CLIENT)
