from common.ports.classic_groups import GroupProtocol, JoinReply, SyncReply
from common.ports.group_errors import GroupClient, GroupRefusal
from partition_svc.coordinator.classic.member import ClassicGroupMember, restore_member
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored import StoredMember

CLIENT = GroupClient("c", "/h")


def new_member():
    return ClassicGroupMember(
        "a", "i", CLIENT, [GroupProtocol("x", b"1"), GroupProtocol("y", b"2")], 60, 10
    )


def test_metadata_is_that_of_the_protocol():
    member = new_member()
    assert [member.metadata(protocol) for protocol in ("x", "y", "z", None)] == [
        b"1",
        b"2",
        b"",
        b"",
    ]


def test_vote_is_the_first_candidate():
    assert new_member().vote({"y", "x"}) == "x"
    assert new_member().vote({"y", "z"}) == "y"


def test_pending_requests_get_one_response():
    member, result = new_member(), CoordinatorResult(0)
    member.hold_join(1, result)
    member.respond_to_join(JoinReply("a"), result)
    member.respond_to_join(JoinReply("b"), result)
    member.hold_sync(2, result)
    member.respond_to_sync(SyncReply(b"1"), result)
    member.reject_pending(GroupRefusal.UNKNOWN_MEMBER_ID, result)
    assert result.replies == [(1, JoinReply("a")), (2, SyncReply(b"1"))]


def test_reject_pending_rejects_join_and_sync():
    member, result = new_member(), CoordinatorResult(0)
    member.hold_join(1, result)
    member.hold_sync(2, result)
    fenced = GroupRefusal.FENCED_INSTANCE_ID
    member.reject_pending(fenced, result)
    assert result.replies == [(1, JoinReply("a", refusal=fenced)), (2, SyncReply(refusal=fenced))]


def test_ticket_may_be_any_value_but_none():
    member, result = new_member(), CoordinatorResult(0)
    member.hold_sync(0, result)
    assert member.is_waiting
    member.respond_to_sync(SyncReply(), result)
    assert result.replies == [(0, SyncReply())]


def test_member_with_a_pending_request_is_waiting_unless_it_is_new():
    member = new_member()
    assert not member.is_waiting
    member.hold_join(1, CoordinatorResult(0))
    assert member.is_waiting
    member.is_new = True
    assert not member.is_waiting


def test_restored_member_has_only_the_chosen_protocol():
    member = new_member()
    member.assignment = b"all"
    stored = member.as_stored_member("y")
    assert stored == StoredMember("a", "i", CLIENT, 60, 10, b"2", b"all")
    restored = restore_member(stored, "y")
    assert restored.protocols == [GroupProtocol("y", b"2")]
    assert restored.as_stored_member("y") == stored


def test_record_without_rebalance_timeout_uses_the_session_timeout():
    stored = new_member().as_stored_member("x")._replace(rebalance_timeout_ms=-1)
    assert restore_member(stored, "x").rebalance_timeout_ms == 10


def test_description_has_metadata_only_with_a_protocol():
    member = new_member()
    member.assignment = b"all"
    with_protocol, without_protocol = member.describe("x"), member.describe(None)
    assert (with_protocol.metadata, with_protocol.assignment) == (b"1", b"all")
    assert (without_protocol.metadata, without_protocol.assignment) == (b"", b"all")
    assert (with_protocol.member_id, with_protocol.group_instance_id, with_protocol.client) == (
        "a",
        "i",
        CLIENT,
    )
