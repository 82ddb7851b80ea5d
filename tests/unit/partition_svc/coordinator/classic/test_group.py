from partition_svc.coordinator.classic.group import ClassicGroup, ClassicGroupState
from partition_svc.coordinator.deadlines import NO_DEADLINE
from partition_svc.coordinator.records.result import Effects
from partition_svc.coordinator.records.stored import GroupRecord, StoredGroup
from partition_svc.coordinator.settings import GroupSettings


def test_a_fresh_group_is_empty_and_waits_for_nothing():
    group = ClassicGroup("g", GroupSettings())
    assert group.state is ClassicGroupState.EMPTY
    assert group.is_vacant
    assert not group.is_stored
    assert group.next_deadline_ms == NO_DEADLINE


def test_who_was_given_an_id_keeps_a_place():
    group = ClassicGroup("g", GroupSettings())
    group.members.pending["a"] = 5
    assert not group.is_vacant


def test_the_alarm_is_set_to_the_earliest():
    group = ClassicGroup("g", GroupSettings())
    for at_ms in (7, 5, 9):
        group.schedule(at_ms)
    assert group.next_deadline_ms == 5


def test_a_group_is_stored_as_it_is():
    group, effects = ClassicGroup("g", GroupSettings()), Effects(3)
    group.become(ClassicGroupState.EMPTY, 3)
    group.store(effects)
    assert group.is_stored
    assert effects.records == [GroupRecord("g", StoredGroup("", 0, None, None, 3, []))]
