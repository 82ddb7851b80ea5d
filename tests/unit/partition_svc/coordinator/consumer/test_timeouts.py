import pytest

from common.ports.group_errors import GroupRefusal
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup, settle


@pytest.fixture
def simulated():
    return SimulatedConsumerGroup(a=2)


def test_expired_session_removes_the_member(simulated):
    silent, active = Reader(simulated, "m1"), Reader(simulated, "m2")
    settle(silent)
    settle(silent, active)
    simulated.sleep(44_999)
    active.beat()
    assert set(simulated.members) == {"m1", "m2"}
    simulated.sleep(1)
    assert set(simulated.members) == {"m2"}
    settle(active)
    assert len(active.partitions) == 2
    assert silent.beat().refusal is GroupRefusal.UNKNOWN_MEMBER_ID


def test_next_deadline_is_never_late(simulated):
    reader = Reader(simulated, "m1")
    reader.beat()
    assert simulated.group.next_deadline == simulated.now_ms + 45_000
    simulated.sleep(30_000)
    reader.beat()
    assert simulated.group.next_deadline <= simulated.now_ms + 45_000
    simulated.sleep(44_000)
    assert set(simulated.members) == {"m1"}


def test_member_that_does_not_revoke_in_time_is_removed(simulated):
    slow, other = Reader(simulated, "m1"), Reader(simulated, "m2")
    settle(slow)
    other.beat()
    simulated.beat(slow.request())
    simulated.sleep(9_999)
    assert simulated.beat(slow.request()).refusal is None
    other.beat()
    simulated.sleep(1)
    assert set(simulated.members) == {"m2"}


def test_confirmed_revocation_clears_its_deadline(simulated):
    first, second = Reader(simulated, "m1"), Reader(simulated, "m2")
    settle(first)
    settle(second, first)
    simulated.sleep(10_000)
    assert set(simulated.members) == {"m1", "m2"}


def test_static_member_that_does_not_return_is_removed(simulated):
    reader = Reader(simulated, "m1", instance_id="i")
    settle(reader)
    reader.leave(-2)
    simulated.sleep(44_999)
    assert set(simulated.members) == {"m1"}
    simulated.sleep(1)
    assert not simulated.members
