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


def simulated_group(**settings):
    return SimulatedConsumerGroup(GroupSettings(initial_rebalance_delay_ms=0, **settings), a=4)


@pytest.fixture
def simulated():
    return simulated_group()


def form_mixed_group(simulated, *strategies, **fields):
    """Forms a settled group of one classic member and one of the consumer protocol."""
    classic = ClassicReader(simulated, strategies=strategies or (EAGER,), **fields)
    run(classic)
    consumer = Reader(simulated, "m2")
    run(classic, consumer)
    assert len(classic.owned) == len(consumer.owned) == 2
    return classic, consumer


@pytest.mark.parametrize("strategies", [(EAGER,), (COOPERATIVE,), (COOPERATIVE, EAGER)])
def test_last_consumer_member_that_leaves_downgrades_the_group(simulated, strategies):
    classic, consumer = form_mixed_group(simulated, *strategies)
    assert classic.commit(5) is None
    epoch = classic.generation
    consumer.leave()
    description = simulated.group.describe()
    assert (description.state, description.protocol_type) == ("PreparingRebalance", "consumer")
    assert [member.member_id for member in description.members] == [classic.member_id]
    assert classic.commit(6) is None, "the member is in the old generation until it joins again"
    classic.act()
    assert classic.refusal is REBALANCE
    run(classic)
    assert (classic.generation, len(classic.owned)) == (epoch + 1, 4)
    assert simulated.group.as_listed_group().state == "Stable"
    offsets = simulated.do(
        lambda: simulated.group.fetch(FetchOffsets("g"), "t", simulated.now_ms)
    ).offsets
    assert [offset.offset for offset in offsets] == [6]


def test_downgrade_writes_tombstones_of_the_consumer_group(simulated):
    classic, consumer = form_mixed_group(simulated)
    written = []
    write, simulated.write = (
        simulated.write,
        lambda records: (written.extend(records), write(records)),
    )
    consumer.leave()
    assert [(type(record), *record[1:-1]) for record in written] == [
        (CurrentRecord, "m2"),
        (TargetRecord, "m2"),
        (SubscriptionRecord, "m2"),
        (CurrentRecord, classic.member_id),
        (TargetRecord, classic.member_id),
        (TargetEpochRecord,),
        (SubscriptionRecord, classic.member_id),
        (EpochRecord,),
        (GroupRecord,),
    ]
    assert [record.value for record in written[:-1]] == [None] * 8
    stored = written[-1].value
    assert (stored.generation_id, stored.protocol, stored.leader) == (2, "range", None)
    assert stored.members[0].assignment
    assert len(simulated.log) == 1


def test_group_loaded_after_a_downgrade_rebalances(simulated):
    classic, consumer = form_mixed_group(simulated, COOPERATIVE)
    consumer.leave()
    simulated.crash()
    assert simulated.group.describe().state == "PreparingRebalance"
    classic.act()
    assert classic.refusal is REBALANCE
    simulated.crash()
    run(classic)
    assert len(classic.owned) == 4


def test_upgrade_after_a_downgrade_keeps_owned_partitions(simulated):
    classic, consumer = form_mixed_group(simulated)
    consumer.leave()
    simulated.crash()
    new_consumer = Reader(simulated, "m3")
    new_consumer.beat()
    assert not new_consumer.owned & classic.owned
    run(classic, new_consumer)
    assert len(classic.owned) == len(new_consumer.owned) == 2


def test_expired_last_consumer_member_downgrades_the_group(simulated):
    classic, consumer = form_mixed_group(simulated)
    for _ in range(4):
        simulated.sleep(12_000)
        classic.act()
    assert classic.refusal is REBALANCE
    assert simulated.group.as_listed_group().group_type == "classic"
    run(classic)
    assert len(classic.owned) == 4
    assert consumer.beat().refusal is GroupRefusal.GROUP_ID_NOT_FOUND


def test_group_is_not_downgraded_if_the_policy_forbids_it():
    simulated = simulated_group(may_downgrade=False)
    classic, consumer = form_mixed_group(simulated)
    consumer.leave()
    run(classic)
    assert (simulated.state, len(classic.owned)) == ("Stable", 4)
    classic.leave()
    assert simulated.state == "Empty"


def test_group_with_another_consumer_member_is_not_downgraded(simulated):
    classic, consumer = form_mixed_group(simulated)
    other_consumer = Reader(simulated, "m3")
    run(classic, consumer, other_consumer)
    consumer.leave()
    run(classic, other_consumer)
    assert simulated.state == "Stable"
    other_consumer.leave()
    assert simulated.group.as_listed_group().group_type == "classic"


def test_group_without_classic_members_stays_a_consumer_group(simulated):
    classic, consumer = form_mixed_group(simulated)
    assert classic.leave() is None
    run(consumer)
    assert (simulated.state, len(consumer.owned)) == ("Stable", 4)


@pytest.mark.parametrize("is_settled", [True, False])
def test_static_member_returns_to_the_classic_protocol(simulated, is_settled):
    classic = ClassicReader(simulated)
    run(classic)
    consumer = Reader(simulated, "m2", instance_id="i")
    run(classic, consumer)
    if not is_settled:
        simulated.set_topics(a=5)
        consumer.beat()
    owned_before = consumer.owned
    returned = ClassicReader(simulated, instance_id="i")
    returned.act()
    assert simulated.group.as_listed_group().group_type == "classic"
    assert (simulated.group.as_listed_group().state == "Stable") is is_settled
    classic.act()
    assert (classic.refusal is None) is is_settled
    run(classic, returned)
    assert len(classic.owned) + len(returned.owned) == (4 if is_settled else 5)
    assert (returned.owned == owned_before) is is_settled


def test_unchanged_follower_after_a_downgrade_gets_the_generation(simulated):
    readers = [ClassicReader(simulated), ClassicReader(simulated)]
    run(*readers)
    run(*readers, Reader(simulated, "m2", instance_id="i"))
    returned = ClassicReader(simulated, instance_id="i")
    returned.act()
    leader_id = simulated.group.describe().members[0].member_id
    (follower,) = [reader for reader in readers if reader.member_id != leader_id]
    follower.break_off()
    follower.act()
    assert follower.joined.generation_id == follower.generation
    assert simulated.group.as_listed_group().state == "Stable"


def test_rejected_static_member_does_not_downgrade(simulated):
    classic = ClassicReader(simulated)
    run(classic)
    consumer = Reader(simulated, "m2", instance_id="i")
    run(classic, consumer)
    returned = ClassicReader(simulated, instance_id="i", protocol_type="connect")
    returned.act()
    assert returned.refusal is GroupRefusal.INCONSISTENT_GROUP_PROTOCOL
    assert simulated.state == "Stable"
