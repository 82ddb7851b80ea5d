import pytest

from common.ports.classic_groups import (
    DeleteGroup,
    GroupResult,
    JoinGroup,
    LeaveGroup,
    LeaveReply,
    LeavingMember,
    LeftMember,
)
from common.ports.consumer_groups import ConsumerHeartbeat, ConsumerHeartbeatReply
from common.ports.group_errors import GroupRefusal

UNKNOWN = GroupRefusal.UNKNOWN_MEMBER_ID
NOT_FOUND = GroupRefusal.GROUP_ID_NOT_FOUND


def join_request(member_id="", instance_id=None):
    return JoinGroup("g", member_id, "consumer", [], 1000, 1000, instance_id)


@pytest.mark.parametrize(
    ("request_", "is_repeatable"),
    [(join_request(), False), (join_request("m"), True), (join_request(instance_id="i"), True)],
)
def test_a_join_without_any_id_is_not_repeated_in_doubt(request_, is_repeatable):
    assert request_.is_idempotent is is_repeatable


@pytest.mark.parametrize(
    ("epoch", "is_repeatable"), [(0, False), (7, False), (-1, True), (-2, False)]
)
def test_only_the_leaving_consumer_heartbeat_is_repeated_in_doubt(epoch, is_repeatable):
    assert ConsumerHeartbeat("g", "m", epoch).is_idempotent is is_repeatable


@pytest.mark.parametrize("refusal", [UNKNOWN, NOT_FOUND])
def test_a_member_that_is_unknown_at_the_retry_has_left(refusal):
    request = ConsumerHeartbeat("g", "m", -1)
    unknown = ConsumerHeartbeatReply(refusal=refusal)
    assert request.adapt_retried(unknown) == ConsumerHeartbeatReply("m", -1)
    other = ConsumerHeartbeatReply(refusal=GroupRefusal.FENCED_MEMBER_EPOCH)
    assert request.adapt_retried(other) is other


def test_classic_members_that_are_unknown_at_the_retry_have_left():
    request = LeaveGroup("g", [LeavingMember("a"), LeavingMember("b", "i")])
    assert request.is_idempotent
    fenced = LeftMember("b", "i", GroupRefusal.FENCED_INSTANCE_ID)
    assert request.adapt_retried(LeaveReply([LeftMember("a", None, UNKNOWN), fenced])).members == [
        LeftMember("a"),
        fenced,
    ]
    assert request.adapt_retried(LeaveReply(refusal=UNKNOWN)) == LeaveReply(
        [LeftMember("a"), LeftMember("b", "i")]
    )
    assert not LeaveGroup("g", [LeavingMember("", "i")]).is_idempotent


def test_a_group_that_is_not_found_at_the_retry_was_deleted():
    request = DeleteGroup("g")
    assert request.is_idempotent
    assert request.adapt_retried(GroupResult("g", NOT_FOUND)) == GroupResult("g")
    non_empty = GroupResult("g", GroupRefusal.NON_EMPTY_GROUP)
    assert request.adapt_retried(non_empty) is non_empty
