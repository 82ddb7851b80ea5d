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

PARTITION = (b"t" * 16, 0)


def group_with(*members):
    group = ConsumerGroup("g", GroupSettings(), ClusterView())
    for member in members:
        group.members[member.member_id] = member
        group.update_owners(member, frozenset())
    return group


def test_owned_partition_is_free_for_its_owner_only():
    owner = ConsumerGroupMember("m1", assigned=frozenset({PARTITION}))
    other = ConsumerGroupMember("m2")
    group = group_with(owner, other)
    assert group.is_free_for(owner)(PARTITION)
    assert not group.is_free_for(other)(PARTITION)


def test_partition_being_revoked_is_not_free():
    group = group_with(
        ConsumerGroupMember("m1", revoking=frozenset({PARTITION})), ConsumerGroupMember("m2")
    )
    assert not group.is_free_for(group.members["m2"])(PARTITION)


def test_removed_member_releases_its_partitions_in_a_new_epoch():
    removed = ConsumerGroupMember("m1", assigned=frozenset({PARTITION}))
    other = ConsumerGroupMember("m2")
    group, result = group_with(removed, other), CoordinatorResult(0)
    group.remove_members([removed], result)
    assert group.is_free_for(other)(PARTITION)
    assert result.records == [
        CurrentRecord("g", "m1", None),
        TargetRecord("g", "m1", None),
        SubscriptionRecord("g", "m1", None),
        EpochRecord("g", StoredEpoch(1)),
    ]


def test_tombstones_are_written_once():
    group, result = group_with(), CoordinatorResult(0)
    group.bump_epoch(result)
    result.records.clear()
    group.write_tombstones(result)
    group.write_tombstones(result)
    assert result.records == [TargetEpochRecord("g", None), EpochRecord("g", None)]


def test_state_follows_the_slowest_member():
    member = ConsumerGroupMember("m1", epoch=1)
    group = group_with(member)
    group.epoch = group.assignment_epoch = 1
    assert group.state == "Stable"
    member.epoch = 0
    assert group.state == "Reconciling"
    group.epoch = 2
    assert group.state == "Assigning"
    assert group_with().state == "Empty"
