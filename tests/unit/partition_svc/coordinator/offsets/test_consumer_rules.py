import pytest

from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import (
    CommitOffsets,
    DeleteOffsets,
    FetchOffsets,
    OffsetToCommit,
    TopicPartitions,
)
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup, settle

WEEK_MS = 7 * 24 * 3600 * 1000


@pytest.fixture
def world():
    return SimulatedConsumerGroup(a=2, b=1)


@pytest.fixture
def one(world):
    reader = Reader(world, "m1")
    settle(reader)
    return reader


def commit(world, topic="a", member_id="", epoch=-1, **fields):
    request = CommitOffsets("g", [OffsetToCommit(topic, 0, 5)], member_id, epoch, **fields)
    return world.do(lambda: world.group.commit(request, "t", world.now_ms)).refusal


def fetch(world, member_id=None, epoch=-1):
    request = FetchOffsets("g", None, member_id, epoch)
    return world.do(lambda: world.group.fetch(request, "t", world.now_ms))


def test_members_commit_and_fetch_in_their_epoch(world, one):
    assert commit(world, "a", "m1", one.epoch) is None
    assert commit(world, "a", "m1", one.epoch + 1) is GroupRefusal.STALE_MEMBER_EPOCH
    assert commit(world, "a", "m2", one.epoch) is GroupRefusal.UNKNOWN_MEMBER_ID
    assert commit(world) is GroupRefusal.UNKNOWN_MEMBER_ID
    old = GroupRefusal.UNSUPPORTED_VERSION
    assert commit(world, "a", "m1", one.epoch, predates_epochs=True) is old
    assert [found.offset for found in fetch(world, "m1", one.epoch).offsets] == [5]
    assert [found.offset for found in fetch(world).offsets] == [5]
    assert fetch(world, "m1", 0).refusal is GroupRefusal.STALE_MEMBER_EPOCH
    assert fetch(world, "m2", one.epoch).refusal is GroupRefusal.UNKNOWN_MEMBER_ID


def test_any_client_commits_to_a_group_without_members(world, one):
    one.leave()
    assert commit(world) is None


def test_subscribed_topics_are_known_after_a_load(world, one):
    """The coordinator was loaded a moment ago."""
    regex = Reader(world, "m2", [], "b")
    settle(one, regex)
    world.crash()
    for topic in "ab":
        request = DeleteOffsets("g", [TopicPartitions(topic, [0])])
        deleted = world.do(lambda r=request: world.group.delete_offsets(r, "t", world.now_ms))
        assert list(deleted.refusals) == [GroupRefusal.GROUP_SUBSCRIBED_TO_TOPIC]


def test_offsets_of_subscribed_topics_are_not_deleted_and_do_not_expire(world, one):
    for topic in "ab":
        commit(world, topic, "m1", one.epoch)
    request = DeleteOffsets("g", [TopicPartitions("a", [0]), TopicPartitions("b", [0])])
    deleted = world.do(lambda: world.group.delete_offsets(request, "t", world.now_ms))
    assert list(deleted.refusals) == [GroupRefusal.GROUP_SUBSCRIBED_TO_TOPIC, None]
    commit(world, "b", "m1", one.epoch)
    world.do(lambda: world.group.expire_offsets(world.now_ms + WEEK_MS))
    assert [found.topic for found in fetch(world).offsets] == ["a"]
    one.leave()
    world.do(lambda: world.group.expire_offsets(world.now_ms + WEEK_MS))
    assert not world.group.exists
    assert not world.log


def test_retention_of_a_commit_overrides_the_setting(world, one):
    """OffsetCommit 2 to 4, of a client that is no member any more."""
    one.leave()
    for partition, retention_ms in enumerate([10, 2 * WEEK_MS]):
        offset = OffsetToCommit("b", partition, 1, retention_ms=retention_ms)
        request = CommitOffsets("g", [offset])
        world.do(lambda asked=request: world.group.commit(asked, "t", world.now_ms))
    for after_ms, count in ((9, 2), (10, 1), (WEEK_MS, 1), (2 * WEEK_MS, 0)):
        world.do(lambda ms=after_ms: world.group.expire_offsets(world.now_ms + ms))
        assert len(fetch(world).offsets) == count
