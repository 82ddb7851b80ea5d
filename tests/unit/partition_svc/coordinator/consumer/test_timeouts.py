import pytest

from common.ports.group_errors import GroupRefusal
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup, settle


@pytest.fixture
def world():
    return SimulatedConsumerGroup(a=2)


def test_expired_session_removes_the_member(world):
    silent, one = Reader(world, "m1"), Reader(world, "m2")
    settle(silent)
    settle(silent, one)
    world.sleep(44_999)
    one.beat()
    assert set(world.members) == {"m1", "m2"}
    world.sleep(1)
    assert set(world.members) == {"m2"}
    settle(one)
    assert len(one.partitions) == 2
    assert silent.beat().refusal is GroupRefusal.UNKNOWN_MEMBER_ID


def test_next_deadline_is_never_late(world):
    one = Reader(world, "m1")
    one.beat()
    assert world.group.next_deadline == world.now_ms + 45_000
    world.sleep(30_000)
    one.beat()
    assert world.group.next_deadline <= world.now_ms + 45_000
    world.sleep(44_000)
    assert set(world.members) == {"m1"}


def test_member_that_does_not_revoke_in_time_is_removed(world):
    slow, one = Reader(world, "m1"), Reader(world, "m2")
    settle(slow)
    one.beat()
    world.beat(slow.request())
    world.sleep(9_999)
    assert world.beat(slow.request()).refusal is None
    one.beat()
    world.sleep(1)
    assert set(world.members) == {"m2"}


def test_confirmed_revocation_clears_its_deadline(world):
    one, two = Reader(world, "m1"), Reader(world, "m2")
    settle(one)
    settle(two, one)
    world.sleep(10_000)
    assert set(world.members) == {"m1", "m2"}


def test_static_member_that_does_not_return_is_removed(world):
    one = Reader(world, "m1", instance_id="i")
    settle(one)
    one.leave(-2)
    world.sleep(44_999)
    assert set(world.members) == {"m1"}
    world.sleep(1)
    assert not world.members
