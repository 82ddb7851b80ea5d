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

ALL_PARTITIONS = {("a", partition) for partition in range(4)}


def simulated_group(**settings):
    return SimulatedConsumerGroup(GroupSettings(initial_rebalance_delay_ms=0, **settings), a=4)


@pytest.fixture
def simulated():
    return simulated_group()


def record_writes(simulated, call):
    """Returns the records that `call` writes, in order."""
    written = []
    write, simulated.write = (
        simulated.write,
        lambda records: (written.extend(records), write(records)),
    )
    call()
    simulated.write = write
    return written


def test_upgraded_group_shares_partitions_with_the_new_member(simulated):
    first, second = ClassicReader(simulated), ClassicReader(simulated)
    run(first, second)
    generation = first.generation
    consumer = Reader(simulated, "m3")
    response = consumer.beat()
    assert (response.refusal, response.member_epoch, response.assignment) == (
        None,
        generation + 1,
        [],
    )
    assert simulated.group.as_listed_group().group_type == "consumer"
    members = simulated.members
    member_types = [members[reader.member_id].member_type for reader in (first, second, consumer)]
    assert member_types == [0, 0, 1]
    assert {members[reader.member_id].member_epoch for reader in (first, second)} == {generation}
    first.act()
    assert first.refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    run(first, second, consumer)
    assert first.partitions | second.partitions | consumer.partitions == ALL_PARTITIONS
    assert len(first.owned) + len(second.owned) + len(consumer.owned) == 4
    assert consumer.owned
    assert simulated.state == "Stable"


@pytest.mark.parametrize("strategies", [(EAGER,), (COOPERATIVE,), (COOPERATIVE, EAGER)])
def test_no_partition_has_two_owners_during_an_upgrade(simulated, strategies):
    readers = [ClassicReader(simulated, strategies=strategies) for _ in range(2)]
    run(*readers)
    readers.append(Reader(simulated, "m3"))
    for _ in range(20):
        for reader in readers:
            reader.act() if isinstance(reader, ClassicReader) else reader.beat()
            assigned_or_revoking = [partition for other in readers for partition in other.owned]
            assert len(assigned_or_revoking) == len(set(assigned_or_revoking))
    assert set(assigned_or_revoking) == set().union(*(reader.owned for reader in readers))
    assert len(assigned_or_revoking) == 4


def test_upgrade_writes_records_in_kafkas_order_with_the_generation_as_epoch(simulated):
    classic = ClassicReader(simulated)
    run(classic)
    written = record_writes(simulated, Reader(simulated, "m2").beat)
    assert [(type(record), *record[1:-1]) for record in written] == [
        (GroupRecord,),
        (SubscriptionRecord, classic.member_id),
        (EpochRecord,),
        (TargetRecord, classic.member_id),
        (TargetEpochRecord,),
        (CurrentRecord, classic.member_id),
        (SubscriptionRecord, "m2"),
        (EpochRecord,),
        (TargetRecord, classic.member_id),
        (TargetRecord, "m2"),
        (TargetEpochRecord,),
        (CurrentRecord, "m2"),
    ]
    assert written[0].value is None
    assert [decode(*encode(record)) for record in written] == written
    current = written[5].value
    assert (current.epoch, current.previous_epoch, len(current.assigned)) == (1, 1, 4)
    stored = written[1].value.classic
    protocols = [protocol.name for protocol in stored.protocols]
    assert (stored.session_timeout_ms, protocols) == (45_000, ["range"])


def test_group_loaded_during_an_upgrade_is_unchanged(simulated):
    classic, consumer = ClassicReader(simulated, strategies=(COOPERATIVE,)), Reader(simulated, "m2")
    run(classic)
    consumer.beat()
    description = simulated.group.describe_consumer()
    simulated.crash()
    assert simulated.group.describe_consumer() == description
    run(classic, consumer)
    assert len(classic.owned) == len(consumer.owned) == 2


def test_upgrade_rejects_pending_requests(simulated):
    first, second = ClassicReader(simulated), ClassicReader(simulated)
    run(first)
    for _ in range(2):
        second.act()
    assert not second.is_settled
    consumer = Reader(simulated, "m3")
    consumer.beat()
    second.act()
    assert second.refusal is GroupRefusal.REBALANCE_IN_PROGRESS
    run(first, second, consumer)
    assert first.owned
    assert second.owned
    assert consumer.owned


def test_upgrade_before_the_first_generation_does_not_wait():
    simulated = simulated_group()
    simulated.settings = GroupSettings(initial_rebalance_delay_ms=3_000)
    simulated.crash()
    classic, consumer = ClassicReader(simulated), Reader(simulated, "m2")
    classic.act()
    classic.act()
    assert consumer.beat().refusal is None
    run(classic, consumer)
    assert len(classic.owned) == len(consumer.owned) == 2


def test_upgrade_keeps_partitions_owned_by_a_cooperative_member(simulated):
    first = ClassicReader(simulated, strategies=(COOPERATIVE,))
    run(first)
    second = ClassicReader(simulated, strategies=(COOPERATIVE,))
    for _ in range(3):
        second.act()
    first.act()
    first.act()
    assert first.joined is not None, "the new generation is not assigned yet"
    assert Reader(simulated, "m3").beat().assignment == []


class MalformedReader(ClassicReader):
    """Sends subscriptions without their last byte."""

    def join_request(self, **changes):
        request = super().join_request(**changes)
        for protocol in request.protocols:
            protocol.metadata = protocol.metadata[:-1]
        return request


@pytest.mark.parametrize(
    ("settings", "reader", "refusal"),
    [
        ({"may_upgrade": False}, ClassicReader, GroupRefusal.GROUP_ID_NOT_FOUND),
        ({"max_size": 1}, ClassicReader, GroupRefusal.GROUP_MAX_SIZE_REACHED),
        ({}, partial(ClassicReader, protocol_type="connect"), GroupRefusal.GROUP_ID_NOT_FOUND),
        ({}, MalformedReader, GroupRefusal.GROUP_ID_NOT_FOUND),
    ],
    ids=["policy", "size", "type", "malformed"],
)
def test_group_is_not_upgraded_if_that_is_not_possible(settings, reader, refusal):
    simulated = simulated_group(**settings)
    classic = reader(simulated)
    run(classic)
    before = dict(simulated.log)
    assert Reader(simulated, "m2").beat().refusal is refusal
    assert simulated.log == before
    assert simulated.group.as_listed_group().group_type == "classic"
    classic.act()
    assert classic.refusal is None


class CarelessLeader(ClassicReader):
    """Assigns all partitions to every member when it is the leader."""

    def _assign(self, joined):
        all_partitions = [("a", partition) for partition in range(4)]
        return {member.member_id: all_partitions for member in joined.members}


def test_partition_assigned_to_two_members_stays_with_one(simulated):
    first, second = CarelessLeader(simulated), CarelessLeader(simulated)
    run(first, second)
    assert first.owned == second.owned
    consumer = Reader(simulated, "m3")
    consumer.beat()
    assigned_or_revoking = [
        len(topic.partitions)
        for member in simulated.members.values()
        for topic in member.assignment
    ]
    assert assigned_or_revoking == [4]
    run(first, second, consumer)
    assert len(first.owned) + len(second.owned) + len(consumer.owned) == 4


def test_only_a_joining_heartbeat_upgrades(simulated):
    run(ClassicReader(simulated))
    response = Reader(simulated, "m2", epoch=1).beat()
    assert response.refusal is GroupRefusal.GROUP_ID_NOT_FOUND
    assert response.message == "Group g is not a consumer group."


def test_static_member_changes_its_protocol_and_keeps_its_partitions(simulated):
    static = ClassicReader(simulated, instance_id="i")
    other = ClassicReader(simulated)
    run(static, other)
    owned_before = static.owned
    consumer = Reader(simulated, "m3", instance_id="i")
    assert consumer.beat().refusal is None
    static.act()
    assert static.refusal is GroupRefusal.FENCED_INSTANCE_ID
    run(other, consumer)
    assert consumer.owned == owned_before
    assert set(simulated.members) == {other.member_id, "m3"}
