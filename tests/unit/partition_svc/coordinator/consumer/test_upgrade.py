from functools import partial

import pytest

from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.records.group_records import decode, encode
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

ALL = {("a", partition) for partition in range(4)}


def world_of(**settings):
    return SimulatedConsumerGroup(GroupSettings(initial_rebalance_delay_ms=0, **settings), a=4)


@pytest.fixture
def world():
    return world_of()


def recorded(world, call):
    """What a call has written, kinds and members in order."""
    written = []
    write, world.write = world.write, lambda records: (written.extend(records), write(records))
    call()
    world.write = write
    return written


def test_upgraded_group_shares_partitions_with_the_new_member(world):
    one, two = ClassicReader(world), ClassicReader(world)
    run(one, two)
    generation = one.generation
    three = Reader(world, "m3")
    taken = three.beat()
    assert (taken.refusal, taken.member_epoch, taken.assignment) == (None, generation + 1, [])
    assert world.group.listed().group_type == "consumer"
    members = world.members
    assert [members[each.member_id].member_type for each in (one, two, three)] == [0, 0, 1]
    assert {members[each.member_id].member_epoch for each in (one, two)} == {generation}
    one.act()
    assert one.refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    run(one, two, three)
    assert one.partitions | two.partitions | three.partitions == ALL
    assert len(one.owned) + len(two.owned) + len(three.owned) == 4
    assert three.owned
    assert world.state == "Stable"


@pytest.mark.parametrize("strategies", [(EAGER,), (COOPERATIVE,), (COOPERATIVE, EAGER)])
def test_no_partition_has_two_owners_during_an_upgrade(world, strategies):
    readers = [ClassicReader(world, strategies=strategies) for _ in range(2)]
    run(*readers)
    readers.append(Reader(world, "m3"))
    for _ in range(20):
        for each in readers:
            each.act() if isinstance(each, ClassicReader) else each.beat()
            assigned_or_revoking = [part for other in readers for part in other.owned]
            assert len(assigned_or_revoking) == len(set(assigned_or_revoking))
    assert set(assigned_or_revoking) == set().union(*(each.owned for each in readers))
    assert len(assigned_or_revoking) == 4


def test_upgrade_writes_records_in_kafkas_order_with_the_generation_as_epoch(world):
    one = ClassicReader(world)
    run(one)
    written = recorded(world, Reader(world, "m2").beat)
    assert [(type(each), *each[1:-1]) for each in written] == [
        (GroupRecord,),
        (SubscriptionRecord, one.member_id),
        (EpochRecord,),
        (TargetRecord, one.member_id),
        (TargetEpochRecord,),
        (CurrentRecord, one.member_id),
        (SubscriptionRecord, "m2"),
        (EpochRecord,),
        (TargetRecord, one.member_id),
        (TargetRecord, "m2"),
        (TargetEpochRecord,),
        (CurrentRecord, "m2"),
    ]
    assert written[0].value is None
    assert [decode(*encode(each)) for each in written] == written
    current = written[5].value
    assert (current.epoch, current.previous_epoch, len(current.assigned)) == (1, 1, 4)
    classic = written[1].value.classic
    assert (classic.session_timeout_ms, [p.name for p in classic.protocols]) == (45_000, ["range"])


def test_group_loaded_during_an_upgrade_is_unchanged(world):
    one, two = ClassicReader(world, strategies=(COOPERATIVE,)), Reader(world, "m2")
    run(one)
    two.beat()
    described = world.group.describe_consumer()
    world.crash()
    assert world.group.describe_consumer() == described
    run(one, two)
    assert len(one.owned) == len(two.owned) == 2


def test_upgrade_rejects_pending_requests(world):
    one, two = ClassicReader(world), ClassicReader(world)
    run(one)
    for _ in range(2):
        two.act()
    assert not two.is_settled
    three = Reader(world, "m3")
    three.beat()
    two.act()
    assert two.refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    run(one, two, three)
    assert one.owned
    assert two.owned
    assert three.owned


def test_upgrade_before_the_first_generation_does_not_wait():
    world = world_of()
    world.settings = GroupSettings(initial_rebalance_delay_ms=3_000)
    world.crash()
    one, two = ClassicReader(world), Reader(world, "m2")
    one.act()
    one.act()
    assert two.beat().refusal is None
    run(one, two)
    assert len(one.owned) == len(two.owned) == 2


def test_upgrade_keeps_partitions_owned_by_a_cooperative_member(world):
    one = ClassicReader(world, strategies=(COOPERATIVE,))
    run(one)
    two = ClassicReader(world, strategies=(COOPERATIVE,))
    for _ in range(3):
        two.act()
    one.act()
    one.act()
    assert one.joined is not None, "the new generation is not assigned yet"
    assert Reader(world, "m3").beat().assignment == []


class Malformed(ClassicReader):
    def join_request(self, **changes):
        request = super().join_request(**changes)
        for one in request.protocols:
            one.metadata = one.metadata[:-1]
        return request


@pytest.mark.parametrize(
    ("settings", "reader", "refusal"),
    [
        ({"may_upgrade": False}, ClassicReader, GroupRefusal.GROUP_ID_NOT_FOUND),
        ({"max_size": 1}, ClassicReader, GroupRefusal.GROUP_MAX_SIZE_REACHED),
        ({}, partial(ClassicReader, protocol_type="connect"), GroupRefusal.GROUP_ID_NOT_FOUND),
        ({}, Malformed, GroupRefusal.GROUP_ID_NOT_FOUND),
    ],
    ids=["policy", "size", "type", "malformed"],
)
def test_group_is_not_upgraded_if_that_is_not_possible(settings, reader, refusal):
    world = world_of(**settings)
    one = reader(world)
    run(one)
    before = dict(world.log)
    assert Reader(world, "m2").beat().refusal is refusal
    assert world.log == before
    assert world.group.listed().group_type == "classic"
    one.act()
    assert one.refusal is None


class Careless(ClassicReader):
    """Gives everything to everybody, when it leads."""

    def _assign(self, joined):
        everything = [("a", partition) for partition in range(4)]
        return {one.member_id: everything for one in joined.members}


def test_partition_assigned_to_two_members_stays_with_one(world):
    one, two = Careless(world), Careless(world)
    run(one, two)
    assert one.owned == two.owned
    three = Reader(world, "m3")
    three.beat()
    assigned_or_revoking = [
        len(part.partitions) for each in world.members.values() for part in each.assignment
    ]
    assert assigned_or_revoking == [4]
    run(one, two, three)
    assert len(one.owned) + len(two.owned) + len(three.owned) == 4


def test_only_a_joining_heartbeat_upgrades(world):
    run(ClassicReader(world))
    taken = Reader(world, "m2", epoch=1).beat()
    assert taken.refusal is GroupRefusal.GROUP_ID_NOT_FOUND
    assert taken.message == "Group g is not a consumer group."


def test_static_member_changes_its_protocol_and_keeps_its_partitions(world):
    one = ClassicReader(world, instance_id="i")
    two = ClassicReader(world)
    run(one, two)
    had = one.owned
    three = Reader(world, "m3", instance_id="i")
    assert three.beat().refusal is None
    one.act()
    assert one.refusal is GroupRefusal.FENCED_INSTANCE_ID
    run(two, three)
    assert three.owned == had
    assert set(world.members) == {two.member_id, "m3"}
