import pytest

from common.ports.classic_groups import (
    DescribedGroup,
    GroupProtocol,
    GroupResult,
    JoinGroup,
)
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommitOffsets, FetchOffsets, OffsetToCommit
from partition_svc.coordinator.records.stored import OffsetRecord
from tests.support.clients.classic_readers import ClassicReader, run
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup, settle
from tests.support.groups.driven_group import DrivenGroup

ID, OTHER_ID = b"1" * 16, b"2" * 16


def delete_offsets_of_topics(driven, is_deleted):
    return driven.group.delete_offsets_of_topics(is_deleted, driven.now_ms)


@pytest.fixture
def simulated():
    return SimulatedConsumerGroup(a=4)


def commit(simulated, topic="a", member_id="", epoch=-1, **fields):
    request = CommitOffsets("g", [OffsetToCommit(topic, 0, 5)], member_id, epoch, **fields)
    return simulated.do(lambda: simulated.group.commit(request, "t", simulated.now_ms)).refusal


def fetch(simulated, member_id=None, epoch=-1):
    request = FetchOffsets("g", None, member_id, epoch)
    return simulated.do(lambda: simulated.group.fetch(request, "t", simulated.now_ms))


def join(simulated, member_id=""):
    protocols = [GroupProtocol("range", b"")]
    request = JoinGroup(
        "g", member_id, "consumer", protocols, 10_000, 10_000, needs_member_id=False
    )
    return simulated.do(lambda: simulated.group.join(request, "t", simulated.now_ms, "c1"))


def test_new_group_does_not_exist_and_responds_as_unknown():
    driven = DrivenGroup()
    assert not driven.group.exists
    assert driven.group.next_deadline is None
    assert driven.committed() is None
    missing = GroupRefusal.GROUP_ID_NOT_FOUND
    assert driven.group.describe() == DescribedGroup(
        "g", refusal=missing, message="Group g not found."
    )
    assert driven.group.delete(1, 0).replies == [(1, GroupResult("g", missing))]
    assert not driven.group.exists
    assert not driven.records


def test_offsets_of_deleted_topics_are_deleted_from_groups_with_members():
    driven = DrivenGroup()
    generation = driven.stable("a")
    driven.commit(5, "a", generation, topic_id=ID)
    result = delete_offsets_of_topics(driven, lambda topic, topic_id: topic == "u")
    assert result.records == []
    result = delete_offsets_of_topics(driven, lambda topic, topic_id: topic_id == ID)
    assert result.records == [OffsetRecord("g", "t", 0, None)]
    assert driven.committed() is None


def test_offsets_of_a_topic_that_was_created_again_stay():
    driven = DrivenGroup()
    driven.commit(5, topic_id=OTHER_ID)
    delete_offsets_of_topics(driven, lambda topic, topic_id: topic_id == ID)
    assert driven.committed() == 5


def test_empty_consumer_group_becomes_classic(simulated):
    consumer = Reader(simulated, "m1")
    settle(consumer)
    consumer.leave()
    classic = ClassicReader(simulated)
    run(classic)
    assert simulated.group.as_listed_group().group_type == "classic"
    simulated.crash()
    assert simulated.group.as_listed_group().state == "Stable"
    assert len(simulated.log) == 1


def test_pending_member_id_does_not_prevent_a_consumer_group(simulated):
    classic = ClassicReader(simulated)
    classic.act()
    consumer = Reader(simulated, "m2")
    settle(consumer)
    run(classic, consumer)
    assert set(simulated.members) == {classic.member_id, "m2"}


def test_empty_classic_group_becomes_a_consumer_group_with_a_tombstone(simulated):
    classic = ClassicReader(simulated)
    run(classic)
    classic.leave()
    assert simulated.group.as_listed_group().state == "Empty"
    settle(Reader(simulated, "m2"))
    simulated.crash()
    assert simulated.group.as_listed_group().group_type == "consumer"
    assert simulated.state == "Stable"


def test_rejected_heartbeat_does_not_change_the_classic_group(simulated):
    member = ClassicReader(simulated)
    run(member)
    member.wants_join = True
    pending = ClassicReader(simulated)
    for _ in range(2):
        pending.act()
    before = dict(simulated.log)
    consumer = Reader(simulated, "m2", assignor="none")
    assert consumer.beat().refusal is GroupRefusal.UNSUPPORTED_ASSIGNOR
    assert simulated.log == before
    assert not pending.is_settled
    run(member, pending)
    assert len(member.owned) == len(pending.owned) == 2


def test_group_without_members_changes_its_protocol_and_keeps_its_offsets(simulated):
    reader = Reader(simulated, "m1")
    settle(reader)
    commit(simulated, "a", "m1", reader.epoch)
    reader.leave()
    assert join(simulated, "unknown").refusal is GroupRefusal.UNKNOWN_MEMBER_ID
    assert simulated.group.as_listed_group().group_type == "consumer"
    assert join(simulated).refusal is None
    response = Reader(simulated, "m2").beat()
    assert response.refusal is GroupRefusal.GROUP_ID_NOT_FOUND, (
        "the subscription of the classic member is malformed"
    )
    simulated.sleep(10_000)
    returned = Reader(simulated, "m2")
    settle(returned)
    simulated.crash()
    assert simulated.group.as_listed_group().group_type == "consumer"
    assert [offset.offset for offset in fetch(simulated, "m2", returned.epoch).offsets] == [5]
