import pytest

from common.ports.classic_groups import (
    GroupResult,
)
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.records.stored import GroupRecord, OffsetRecord
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup, settle
from tests.support.groups.driven_group import DrivenGroup

ID, OTHER_ID = b"1" * 16, b"2" * 16


def test_deleted_group_writes_tombstones_and_does_not_exist():
    driven = DrivenGroup()
    generation = driven.stable("a")
    driven.commit(5, "a", generation)
    driven.leave("a")
    result = driven.group.delete(1, driven.now_ms)
    assert result.replies == [(1, GroupResult("g"))]
    assert result.records == [OffsetRecord("g", "t", 0, None), GroupRecord("g", None)]
    assert not driven.group.exists


def test_group_without_record_writes_no_tombstone_of_members():
    driven = DrivenGroup()
    driven.commit(5)
    assert driven.group.delete(1, 0).records == [OffsetRecord("g", "t", 0, None)]


def test_group_with_members_is_not_deleted():
    driven = DrivenGroup()
    generation = driven.stable("a")
    result = driven.group.delete(1, driven.now_ms)
    assert result.replies == [(1, GroupResult("g", GroupRefusal.NON_EMPTY_GROUP))]
    assert result.records == []
    assert driven.heartbeat("a", generation) is None


def test_empty_group_without_offsets_is_deleted_when_offsets_expire():
    driven = DrivenGroup()
    driven.stable("a")
    assert driven.group.expire_offsets(driven.now_ms).records == []
    driven.leave("a")
    assert driven.group.expire_offsets(driven.now_ms).records == [GroupRecord("g", None)]
    assert not driven.group.exists


@pytest.fixture
def simulated():
    return SimulatedConsumerGroup(a=2, b=1)


@pytest.fixture
def reader(simulated):
    reader = Reader(simulated, "m1")
    settle(reader)
    return reader


def test_consumer_group_with_members_is_not_deleted(simulated, reader):
    def delete():
        return simulated.do(lambda: simulated.group.delete("t", simulated.now_ms)).refusal

    assert delete() is GroupRefusal.NON_EMPTY_GROUP
    reader.leave()
    assert delete() is None
