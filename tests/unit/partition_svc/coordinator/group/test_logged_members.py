from partition_svc.coordinator.group.logged_members import LoggedMembers, logged_members
from partition_svc.coordinator.records.stored import GroupRecord, StoredGroup
from partition_svc.coordinator.records.stored_consumer import EpochRecord, StoredEpoch, TargetRecord

GROUP = StoredGroup("consumer", 1, None, None, -1)
TARGETS = [TargetRecord("g", member_id, frozenset()) for member_id in ("a", "b")]


def test_replay_keeps_the_last_value_of_each_key():
    logged = LoggedMembers()
    for record in (GroupRecord("g", GROUP), *TARGETS, EpochRecord("g", StoredEpoch(1))):
        logged.replay(record)
    logged.replay(EpochRecord("g", StoredEpoch(2)))
    logged.replay(TargetRecord("g", "a", None))
    logged.replay(TargetRecord("g", "never there", None))
    assert logged == LoggedMembers(
        GROUP, logged_members(None, [TARGETS[1], EpochRecord("g", StoredEpoch(2))]).consumer
    )


def test_tombstones_delete_all_records():
    logged = logged_members(GROUP, TARGETS)
    for record in logged.tombstones("g"):
        logged.replay(record)
    assert logged == LoggedMembers()
    assert logged.tombstones("g") == []
