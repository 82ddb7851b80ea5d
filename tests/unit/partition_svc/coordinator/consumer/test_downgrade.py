import pytest

from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import FetchOffsets
from partition_svc.coordinator.records.stored import GroupRecord
from partition_svc.coordinator.records.stored_consumer import (
    CurrentRecord,
    EpochRecord,
    SubscriptionRecord,
    TargetEpochRecord,
    TargetRecord,
)
from partition_svc.coordinator.settings import GroupSettings
from tests.support.clients.classic_readers import COOPERATIVE, EAGER, ClassicReader, run
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup

REBALANCE = GroupRefusal.REBALANCE_IN_PROGRESS


def world_of(**settings):
    return SimulatedConsumerGroup(GroupSettings(initial_rebalance_delay_ms=0, **settings), a=4)


@pytest.fixture
def world():
    return world_of()


def mixed(world, *strategies, **fields):
    """A settled group of a classic member and one of the consumer protocol."""
    one = ClassicReader(world, strategies=strategies or (EAGER,), **fields)
    run(one)
    two = Reader(world, "m2")
    run(one, two)
    assert len(one.owned) == len(two.owned) == 2
    return one, two


@pytest.mark.parametrize("strategies", [(EAGER,), (COOPERATIVE,), (COOPERATIVE, EAGER)])
def test_last_consumer_member_that_leaves_downgrades_the_group(world, strategies):
    one, two = mixed(world, *strategies)
    assert one.commit(5) is None
    epoch = one.generation
    two.leave()
    described = world.group.describe()
    assert (described.state, described.protocol_type) == ("PreparingRebalance", "consumer")
    assert [each.member_id for each in described.members] == [one.member_id]
    assert one.commit(6) is None, "until it joins it is in its generation"
    one.act()
    assert one.refusal is REBALANCE
    run(one)
    assert (one.generation, len(one.owned)) == (epoch + 1, 4)
    assert world.group.listed().state == "Stable"
    offsets = world.do(lambda: world.group.fetch(FetchOffsets("g"), "t", world.now_ms)).offsets
    assert [each.offset for each in offsets] == [6]


def test_downgrade_writes_tombstones_of_the_consumer_group(world):
    one, two = mixed(world)
    written = []
    write, world.write = world.write, lambda records: (written.extend(records), write(records))
    two.leave()
    assert [(type(each), *each[1:-1]) for each in written] == [
        (CurrentRecord, "m2"),
        (TargetRecord, "m2"),
        (SubscriptionRecord, "m2"),
        (CurrentRecord, one.member_id),
        (TargetRecord, one.member_id),
        (TargetEpochRecord,),
        (SubscriptionRecord, one.member_id),
        (EpochRecord,),
        (GroupRecord,),
    ]
    assert [each.value for each in written[:-1]] == [None] * 8
    stored = written[-1].value
    assert (stored.generation_id, stored.protocol, stored.leader) == (2, "range", None)
    assert stored.members[0].assignment
    assert len(world.log) == 1


def test_group_loaded_after_a_downgrade_rebalances(world):
    one, two = mixed(world, COOPERATIVE)
    two.leave()
    world.crash()
    assert world.group.describe().state == "PreparingRebalance"
    one.act()
    assert one.refusal is REBALANCE
    world.crash()
    run(one)
    assert len(one.owned) == 4


def test_upgrade_after_a_downgrade_keeps_owned_partitions(world):
    one, two = mixed(world)
    two.leave()
    world.crash()
    again = Reader(world, "m3")
    again.beat()
    assert not again.owned & one.owned
    run(one, again)
    assert len(one.owned) == len(again.owned) == 2


def test_expired_last_consumer_member_downgrades_the_group(world):
    one, two = mixed(world)
    for _ in range(4):
        world.sleep(12_000)
        one.act()
    assert one.refusal is REBALANCE
    assert world.group.listed().group_type == "classic"
    run(one)
    assert len(one.owned) == 4
    assert two.beat().refusal is GroupRefusal.GROUP_ID_NOT_FOUND


def test_group_is_not_downgraded_if_the_policy_forbids_it():
    world = world_of(may_downgrade=False)
    one, two = mixed(world)
    two.leave()
    run(one)
    assert (world.state, len(one.owned)) == ("Stable", 4)
    one.leave()
    assert world.state == "Empty"


def test_group_with_another_consumer_member_is_not_downgraded(world):
    one, two = mixed(world)
    three = Reader(world, "m3")
    run(one, two, three)
    two.leave()
    run(one, three)
    assert world.state == "Stable"
    three.leave()
    assert world.group.listed().group_type == "classic"


def test_group_without_classic_members_stays_a_consumer_group(world):
    one, two = mixed(world)
    assert one.leave() is None
    run(two)
    assert (world.state, len(two.owned)) == ("Stable", 4)


@pytest.mark.parametrize("is_settled", [True, False])
def test_static_member_returns_to_the_classic_protocol(world, is_settled):
    one = ClassicReader(world)
    run(one)
    two = Reader(world, "m2", instance_id="i")
    run(one, two)
    if not is_settled:
        world.set_topics(a=5)
        two.beat()
    had = two.owned
    back = ClassicReader(world, instance_id="i")
    back.act()
    assert world.group.listed().group_type == "classic"
    assert (world.group.listed().state == "Stable") is is_settled
    one.act()
    assert (one.refusal is None) is is_settled
    run(one, back)
    assert len(one.owned) + len(back.owned) == (4 if is_settled else 5)
    assert (back.owned == had) is is_settled


def test_unchanged_follower_after_a_downgrade_gets_the_generation(world):
    readers = [ClassicReader(world), ClassicReader(world)]
    run(*readers)
    run(*readers, Reader(world, "m2", instance_id="i"))
    back = ClassicReader(world, instance_id="i")
    back.act()
    leader_id = world.group.describe().members[0].member_id
    (follower,) = [one for one in readers if one.member_id != leader_id]
    follower.break_off()
    follower.act()
    assert follower.joined.generation_id == follower.generation
    assert world.group.listed().state == "Stable"


def test_rejected_static_member_does_not_downgrade(world):
    one = ClassicReader(world)
    run(one)
    two = Reader(world, "m2", instance_id="i")
    run(one, two)
    back = ClassicReader(world, instance_id="i", protocol_type="connect")
    back.act()
    assert back.refusal is GroupRefusal.INCONSISTENT_GROUP_PROTOCOL
    assert world.state == "Stable"
