"""Groups without members become the other kind. With members: test_upgrade, test_downgrade."""

import pytest

from common.ports.group_errors import GroupRefusal
from tests.support.clients.classic_readers import ClassicReader, run
from tests.support.groups.consumer_groups import ConsumerGroupWorld, Reader, settle


@pytest.fixture
def world():
    return ConsumerGroupWorld(a=4)


def test_an_empty_consumer_group_becomes_a_classic_one(world):
    one = Reader(world, "m1")
    settle(one)
    one.leave()
    other = ClassicReader(world)
    run(other)
    assert world.group.listed().group_type == "classic"
    world.crash()
    assert world.group.listed().state == "Stable"
    assert len(world.log) == 1


def test_an_id_that_was_given_out_keeps_nobody_out_and_is_good_for_the_other_kind(world):
    one = ClassicReader(world)
    one.act()
    two = Reader(world, "m2")
    settle(two)
    run(one, two)
    assert set(world.members) == {one.member_id, "m2"}


def test_an_empty_classic_group_becomes_a_consumer_group_and_is_taken_back_from_the_log(world):
    one = ClassicReader(world)
    run(one)
    one.leave()
    assert world.group.listed().state == "Empty"
    settle(Reader(world, "m2"))
    world.crash()
    assert world.group.listed().group_type == "consumer"
    assert world.state == "Stable"


def test_a_heartbeat_that_is_refused_leaves_the_classic_group_as_it_is(world):
    one = ClassicReader(world)
    run(one)
    one.wants_join = True
    waiting = ClassicReader(world)
    for _ in range(2):
        waiting.act()
    before = dict(world.log)
    two = Reader(world, "m2", assignor="none")
    assert two.beat().refusal is GroupRefusal.UNSUPPORTED_ASSIGNOR
    assert world.log == before
    assert not waiting.is_settled
    run(one, waiting)
    assert len(one.owned) == len(waiting.owned) == 2
