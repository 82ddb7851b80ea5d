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
def simulated():
    return SimulatedConsumerGroup(a=2, b=1)


@pytest.fixture
def reader(simulated):
    reader = Reader(simulated, "m1")
    settle(reader)
    return reader


def commit(simulated, topic="a", member_id="", epoch=-1, **fields):
    request = CommitOffsets("g", [OffsetToCommit(topic, 0, 5)], member_id, epoch, **fields)
    return simulated.do(lambda: simulated.group.commit(request, "t", simulated.now_ms)).refusal


def fetch(simulated, member_id=None, epoch=-1):
    request = FetchOffsets("g", None, member_id, epoch)
    return simulated.do(lambda: simulated.group.fetch(request, "t", simulated.now_ms))


def test_members_commit_and_fetch_in_their_epoch(simulated, reader):
    assert commit(simulated, "a", "m1", reader.epoch) is None
    assert commit(simulated, "a", "m1", reader.epoch + 1) is GroupRefusal.STALE_MEMBER_EPOCH
    assert commit(simulated, "a", "m2", reader.epoch) is GroupRefusal.UNKNOWN_MEMBER_ID
    assert commit(simulated) is GroupRefusal.UNKNOWN_MEMBER_ID
    unsupported = GroupRefusal.UNSUPPORTED_VERSION
    assert commit(simulated, "a", "m1", reader.epoch, predates_epochs=True) is unsupported
    assert [offset.offset for offset in fetch(simulated, "m1", reader.epoch).offsets] == [5]
    assert [offset.offset for offset in fetch(simulated).offsets] == [5]
    assert fetch(simulated, "m1", 0).refusal is GroupRefusal.STALE_MEMBER_EPOCH
    assert fetch(simulated, "m2", reader.epoch).refusal is GroupRefusal.UNKNOWN_MEMBER_ID


def test_any_client_commits_to_a_group_without_members(simulated, reader):
    reader.leave()
    assert commit(simulated) is None


def test_subscribed_topics_are_known_after_a_load(simulated, reader):
    """The requests are the first ones after the load."""
    regex_reader = Reader(simulated, "m2", [], "b")
    settle(reader, regex_reader)
    simulated.crash()
    for topic in "ab":
        request = DeleteOffsets("g", [TopicPartitions(topic, [0])])
        response = simulated.do(
            lambda r=request: simulated.group.delete_offsets(r, "t", simulated.now_ms)
        )
        assert list(response.refusals) == [GroupRefusal.GROUP_SUBSCRIBED_TO_TOPIC]


def test_offsets_of_subscribed_topics_are_not_deleted_and_do_not_expire(simulated, reader):
    for topic in "ab":
        commit(simulated, topic, "m1", reader.epoch)
    request = DeleteOffsets("g", [TopicPartitions("a", [0]), TopicPartitions("b", [0])])
    response = simulated.do(lambda: simulated.group.delete_offsets(request, "t", simulated.now_ms))
    assert list(response.refusals) == [GroupRefusal.GROUP_SUBSCRIBED_TO_TOPIC, None]
    commit(simulated, "b", "m1", reader.epoch)
    simulated.do(lambda: simulated.group.expire_offsets(simulated.now_ms + WEEK_MS))
    assert [offset.topic for offset in fetch(simulated).offsets] == ["a"]
    reader.leave()
    simulated.do(lambda: simulated.group.expire_offsets(simulated.now_ms + WEEK_MS))
    assert not simulated.group.exists
    assert not simulated.log


def test_retention_of_a_commit_overrides_the_setting(simulated, reader):
    """Covers versions 2 to 4 of OffsetCommit, from a client that is not a member any more."""
    reader.leave()
    for partition, retention_ms in enumerate([10, 2 * WEEK_MS]):
        offset = OffsetToCommit("b", partition, 1, retention_ms=retention_ms)
        request = CommitOffsets("g", [offset])
        simulated.do(lambda request=request: simulated.group.commit(request, "t", simulated.now_ms))
    for after_ms, count in ((9, 2), (10, 1), (WEEK_MS, 1), (2 * WEEK_MS, 0)):
        simulated.do(lambda ms=after_ms: simulated.group.expire_offsets(simulated.now_ms + ms))
        assert len(fetch(simulated).offsets) == count
