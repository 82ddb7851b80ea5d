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
def world():
    return SimulatedConsumerGroup(a=4)


def commit(world, topic="a", member_id="", epoch=-1, **fields):
    request = CommitOffsets("g", [OffsetToCommit(topic, 0, 5)], member_id, epoch, **fields)
    return world.do(lambda: world.group.commit(request, "t", world.now_ms)).refusal


def fetch(world, member_id=None, epoch=-1):
    request = FetchOffsets("g", None, member_id, epoch)
    return world.do(lambda: world.group.fetch(request, "t", world.now_ms))


def join(world, member_id=""):
    protocols = [GroupProtocol("range", b"")]
    request = JoinGroup(
        "g", member_id, "consumer", protocols, 10_000, 10_000, needs_member_id=False
    )
    return world.do(lambda: world.group.join(request, "t", world.now_ms, "c1"))


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


def test_empty_consumer_group_becomes_classic(world):
    one = Reader(world, "m1")
    settle(one)
    one.leave()
    other = ClassicReader(world)
    run(other)
    assert world.group.listed().group_type == "classic"
    world.crash()
    assert world.group.listed().state == "Stable"
    assert len(world.log) == 1


def test_pending_member_id_does_not_prevent_a_consumer_group(world):
    one = ClassicReader(world)
    one.act()
    two = Reader(world, "m2")
    settle(two)
    run(one, two)
    assert set(world.members) == {one.member_id, "m2"}


def test_empty_classic_group_becomes_a_consumer_group_with_a_tombstone(world):
    one = ClassicReader(world)
    run(one)
    one.leave()
    assert world.group.listed().state == "Empty"
    settle(Reader(world, "m2"))
    world.crash()
    assert world.group.listed().group_type == "consumer"
    assert world.state == "Stable"


def test_rejected_heartbeat_does_not_change_the_classic_group(world):
    one = ClassicReader(world)
    run(one)
    one.wants_join = True
    waiting = ClassicReader(world)
    for _ in range(2):
        waiting.act()
    before = dict(world.log)
    two = Reader(world, "m2", assignor="none")
    assert two.beat().refusal is GroupRefusal.UNSUPPORTED_ASSIGNOR
    assert world.log == before
    assert not waiting.is_settled
    run(one, waiting)
    assert len(one.owned) == len(waiting.owned) == 2


def test_group_without_members_changes_its_protocol_and_keeps_its_offsets(world):
    one = Reader(world, "m1")
    settle(one)
    commit(world, "a", "m1", one.epoch)
    one.leave()
    assert join(world, "stranger").refusal is GroupRefusal.UNKNOWN_MEMBER_ID
    assert world.group.listed().group_type == "consumer"
    assert join(world).refusal is None
    taken = Reader(world, "m2").beat()
    assert taken.refusal is GroupRefusal.GROUP_ID_NOT_FOUND, "what it subscribes to is not readable"
    world.sleep(10_000)
    back = Reader(world, "m2")
    settle(back)
    world.crash()
    assert world.group.listed().group_type == "consumer"
    assert [found.offset for found in fetch(world, "m2", back.epoch).offsets] == [5]
