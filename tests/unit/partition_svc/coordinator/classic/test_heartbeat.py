from common.ports.group_errors import GroupRefusal
from tests.support.groups.driven_group import SESSION_MS, DrivenGroup


def test_heartbeat_extends_the_session():
    driven = DrivenGroup()
    generation = driven.stable("a")
    for _ in range(5):
        driven.pass_ms(SESSION_MS - 1)
        assert driven.heartbeat("a", generation) is None
    driven.pass_ms(SESSION_MS)
    assert driven.heartbeat("a", generation) is GroupRefusal.UNKNOWN_MEMBER_ID


def test_heartbeat_during_a_rebalance_extends_the_session():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    driven.join(new_id="c")
    for _ in range(5):
        driven.pass_ms(SESSION_MS - 1)
        assert driven.heartbeat("a", generation) is GroupRefusal.REBALANCE_IN_PROGRESS
    assert driven.member_ids == ["a", "c"]


def test_heartbeat_before_the_assignment_is_accepted():
    driven = DrivenGroup()
    driven.join(new_id="a")
    assert driven.heartbeat("a", 1) is None


def test_heartbeat_of_another_generation_does_not_extend_the_session():
    driven = DrivenGroup()
    generation = driven.stable("a")
    driven.pass_ms(SESSION_MS - 1)
    assert driven.heartbeat("a", generation - 1) is GroupRefusal.ILLEGAL_GENERATION
    driven.pass_ms(1)
    assert driven.state == "Empty"


def test_replaced_static_member_is_fenced():
    driven = DrivenGroup()
    generation = driven.stable("a", instance="i")
    driven.join(new_id="b", instance="i")
    assert driven.heartbeat("a", generation, "i") is GroupRefusal.FENCED_INSTANCE_ID
    assert driven.heartbeat("b", generation, "i") is None
    assert driven.heartbeat("b", generation, "j") is GroupRefusal.UNKNOWN_MEMBER_ID


def test_heartbeat_in_an_unknown_group_is_rejected():
    driven = DrivenGroup()
    assert driven.heartbeat("a", 1) is GroupRefusal.UNKNOWN_MEMBER_ID
    driven.group = driven.group_of("")
    assert driven.heartbeat("a", 1) is GroupRefusal.INVALID_GROUP_ID
