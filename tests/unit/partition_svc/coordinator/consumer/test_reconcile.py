import pytest

from partition_svc.coordinator.consumer.group import ConsumerGroup
from partition_svc.coordinator.consumer.member import ConsumerGroupMember, MemberState
from partition_svc.coordinator.consumer.reconcile import reconcile, subscribe
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored_consumer import StoredClassic, SubscriptionRecord
from partition_svc.coordinator.settings import GroupSettings
from tests.support.groups.consumer_groups import SimulatedConsumerGroup, topic_id

A0, A1 = ((topic_id("a"), partition) for partition in range(2))


@pytest.fixture
def group():
    return ConsumerGroup("g", GroupSettings(), SimulatedConsumerGroup(a=2).view)


def subscribe_member(group, member_id, result, **fields):
    before = group.members.get(member_id) or ConsumerGroupMember(member_id)
    fields = {"topic_names": ("a",), "rebalance_timeout_ms": 10, **fields}
    subscription = before.subscription()._replace(**fields)
    return subscribe(group, before, member_id, subscription, result)


def test_unchanged_subscription_is_not_written(group):
    subscribe_member(group, "m1", CoordinatorResult(0))
    second_result = CoordinatorResult(0)
    subscribe_member(group, "m1", second_result)
    assert not second_result.records
    assert group.epoch == group.assignment_epoch == 1


@pytest.mark.parametrize(
    ("change", "epoch"), [({"topic_names": ()}, 2), ({"rebalance_timeout_ms": 99}, 1)]
)
def test_only_input_of_the_assignor_starts_a_new_epoch(group, change, epoch):
    subscribe_member(group, "m1", CoordinatorResult(0))
    result = CoordinatorResult(0)
    member = subscribe_member(group, "m1", result, **change)
    assert group.epoch == epoch
    assert result.records[0] == SubscriptionRecord("g", "m1", member.subscription())


def test_replacement_keeps_the_assignment_and_starts_at_epoch_zero(group):
    member = subscribe_member(group, "m1", CoordinatorResult(0))
    reconcile(group, member, frozenset(), CoordinatorResult(0), is_new=True)
    subscription = member.subscription()
    replacement = subscribe(group, member, "m2", subscription, CoordinatorResult(0))
    assert (replacement.epoch, replacement.assigned, group.target(replacement)) == (
        0,
        {A0, A1},
        {A0, A1},
    )
    assert list(group.members) == ["m2"]
    assert group.is_free_for(replacement)(A0)


@pytest.mark.parametrize("classic", [None, StoredClassic(5, ())])
def test_only_members_of_the_consumer_protocol_have_a_deadline_to_revoke(group, classic):
    """Members of the classic protocol have a deadline to join instead."""
    member = subscribe_member(group, "m1", CoordinatorResult(0), classic=classic)
    reconcile(group, member, frozenset(), CoordinatorResult(0), is_new=True)
    subscribe_member(group, "m2", CoordinatorResult(0))
    assert reconcile(group, member, member.assigned, CoordinatorResult(7), is_new=False)
    assert member.state is MemberState.UNREVOKED_PARTITIONS
    assert member.revoke_by_ms == (17 if classic is None else NO_DEADLINE)
