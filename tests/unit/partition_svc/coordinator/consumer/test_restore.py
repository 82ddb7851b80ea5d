import pytest

from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup, settle


@pytest.fixture
def world():
    return SimulatedConsumerGroup(a=4)


def test_restored_group_is_unchanged(world):
    one, two = Reader(world, "m1", instance_id="i"), Reader(world, "m2", [], regex="a")
    settle(one)
    settle(two, one)
    before = world.group.describe_consumer()
    world.crash()
    log = dict(world.log)
    one.beat()
    two.beat()
    assert world.group.describe_consumer() == before
    assert world.log == log, "nothing had to be written anew"


def test_revocation_is_restored(world):
    one, two = Reader(world, "m1"), Reader(world, "m2")
    settle(one)
    two.beat()
    world.beat(one.request())
    world.crash()
    assert two.beat().assignment == []
    world.sleep(10_000)
    assert set(world.members) == {"m2"}, "its time began again"


def test_restored_members_have_new_sessions(world):
    Reader(world, "m1").beat()
    world.sleep(44_000)
    world.crash()
    world.sleep(44_000)
    assert set(world.members) == {"m1"}
    world.sleep(1_000)
    assert not world.members


def test_deleted_group_is_not_restored(world):
    one = Reader(world, "m1")
    one.beat()
    one.leave()
    world.do(lambda: world.group.delete("t", world.now_ms))
    assert not world.log
    world.crash()
    assert not world.group.exists


def test_topics_that_grew_before_the_load_are_assigned(world):
    one = Reader(world, "m1")
    settle(one)
    world.crash()
    world.set_topics(a=5)
    settle(one)
    assert len(one.partitions) == 5
