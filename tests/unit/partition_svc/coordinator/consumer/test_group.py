from common.cluster.view import ClusterView
from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import ConsumerGroupMember
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored_consumer import (
    CurrentRecord,
    EpochRecord,
    StoredEpoch,
    SubscriptionRecord,
    TargetEpochRecord,
    TargetRecord,
)
from partition_svc.coordinator.settings import GroupSettings

PART = (b"t" * 16, 0)


def group_of(*members):
    group = ConsumerGroup("g", GroupSettings(), ClusterView())
    for one in members:
        group.members[one.member_id] = one
        group.update_owners(one, frozenset())
    return group


def test_owned_partition_is_free_for_its_owner_only():
    one, two = ConsumerGroupMember("m1", assigned=frozenset({PART})), ConsumerGroupMember("m2")
    group = group_of(one, two)
    assert group.is_free_for(one)(PART)
    assert not group.is_free_for(two)(PART)


def test_partition_being_revoked_is_not_free():
    group = group_of(
        ConsumerGroupMember("m1", revoking=frozenset({PART})), ConsumerGroupMember("m2")
    )
    assert not group.is_free_for(group.members["m2"])(PART)


def test_removed_member_releases_its_partitions_in_a_new_epoch():
    one, two = ConsumerGroupMember("m1", assigned=frozenset({PART})), ConsumerGroupMember("m2")
    group, result = group_of(one, two), CoordinatorResult(0)
    group.remove_members([one], result)
    assert group.is_free_for(two)(PART)
    assert result.records == [
        CurrentRecord("g", "m1", None),
        TargetRecord("g", "m1", None),
        SubscriptionRecord("g", "m1", None),
        EpochRecord("g", StoredEpoch(1)),
    ]


def test_tombstones_are_written_once():
    group, result = group_of(), CoordinatorResult(0)
    group.bump_epoch(result)
    result.records.clear()
    group.write_tombstones(result)
    group.write_tombstones(result)
    assert result.records == [TargetEpochRecord("g", None), EpochRecord("g", None)]


def test_state_follows_the_slowest_member():
    one = ConsumerGroupMember("m1", epoch=1)
    group = group_of(one)
    group.epoch = group.assignment_epoch = 1
    assert group.state == "Stable"
    one.epoch = 0
    assert group.state == "Reconciling"
    group.epoch = 2
    assert group.state == "Assigning"
    assert group_of().state == "Empty"
