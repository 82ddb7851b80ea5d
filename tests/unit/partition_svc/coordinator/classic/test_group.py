from partition_svc.coordinator.classic.group import ClassicGroup
from partition_svc.coordinator.classic.state import ClassicGroupEvent, ClassicGroupState
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.records.stored import GroupRecord, StoredGroup
from partition_svc.coordinator.settings import GroupSettings


def test_new_group_is_empty_and_has_no_deadline():
    group = ClassicGroup("g", GroupSettings())
    assert group.state is ClassicGroupState.EMPTY
    assert not group.is_stored
    assert group.next_deadline_ms == NO_DEADLINE


def test_next_deadline_is_the_earliest():
    group = ClassicGroup("g", GroupSettings())
    for at_ms in (7, 5, 9):
        group.schedule(at_ms)
    assert group.next_deadline_ms == 5


def test_store_writes_the_group_with_the_time_of_its_last_transition():
    group, result = ClassicGroup("g", GroupSettings()), CoordinatorResult(3)
    group.transition_at(ClassicGroupEvent.REBALANCE_STARTED, result)
    group.store(result)
    assert group.is_stored
    assert result.records == [GroupRecord("g", StoredGroup("", 0, None, None, 3, []))]


def test_delete_writes_a_tombstone_only_if_the_group_is_stored():
    group, result = ClassicGroup("g", GroupSettings()), CoordinatorResult(3)
    group.delete(result)
    assert group.state is ClassicGroupState.DEAD
    assert result.records == []
    group = ClassicGroup("g", GroupSettings())
    group.store(CoordinatorResult(3))
    group.delete(result)
    assert result.records == [GroupRecord("g", None)]
