from common.cluster.view import ClusterView
from common.ports.classic_groups import (
    DescribedGroup,
    GroupResult,
    Joined,
    LeaveGroup,
    LeavingMember,
)
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommittedOffset, FetchOffsets
from partition_svc.coordinator.group.group import Group
from partition_svc.coordinator.records.stored import GroupRecord, OffsetRecord, StoredOffset
from partition_svc.coordinator.settings import GroupSettings
from tests.support.groups.driven_group import SESSION_MS, DrivenGroup
from tests.support.groups.groups import committing, joining

ID, OTHER_ID = b"1" * 16, b"2" * 16


def test_a_fresh_group_is_void_and_answers_like_one_that_is_not_there():
    driven = DrivenGroup()
    assert driven.group.is_void
    assert driven.group.next_deadline is None
    assert driven.committed() is None
    missing = GroupRefusal.GROUP_ID_NOT_FOUND
    assert driven.group.describe() == DescribedGroup(
        "g", refusal=missing, message="Group g not found."
    )
    assert driven.group.delete(1, 0).replies == [(1, GroupResult("g", missing))]
    assert driven.group.is_void
    assert not driven.records


def test_a_group_with_anything_to_remember_is_not_void():
    driven = DrivenGroup()
    driven.commit(5)
    assert not driven.group.is_void
    driven = DrivenGroup()
    driven.stable("a")
    driven.leave("a")
    assert not driven.group.is_void


def test_a_deleted_group_leaves_tombstones_and_is_void():
    driven = DrivenGroup()
    generation = driven.stable("a")
    driven.commit(5, "a", generation)
    driven.leave("a")
    effects = driven.group.delete(1, driven.now_ms)
    assert effects.replies == [(1, GroupResult("g"))]
    assert effects.records == [OffsetRecord("g", "t", 0, None), GroupRecord("g", None)]
    assert driven.group.is_void


def test_a_group_of_offsets_alone_leaves_no_tombstone_of_members():
    driven = DrivenGroup()
    driven.commit(5)
    assert driven.group.delete(1, 0).records == [OffsetRecord("g", "t", 0, None)]


def test_a_group_with_members_is_not_deleted():
    driven = DrivenGroup()
    generation = driven.stable("a")
    effects = driven.group.delete(1, driven.now_ms)
    assert effects.replies == [(1, GroupResult("g", GroupRefusal.NON_EMPTY_GROUP))]
    assert effects.records == []
    assert driven.heartbeat("a", generation) is None


def test_an_empty_group_without_offsets_is_forgotten_when_offsets_expire():
    driven = DrivenGroup()
    driven.stable("a")
    assert driven.group.expire_offsets(driven.now_ms).records == []
    driven.leave("a")
    assert driven.group.expire_offsets(driven.now_ms).records == [GroupRecord("g", None)]
    assert driven.group.is_void


def test_offsets_of_deleted_topics_are_forgotten_whoever_is_in_the_group():
    driven = DrivenGroup()
    generation = driven.stable("a")
    driven.commit(5, "a", generation, topic_id=ID)
    effects = driven.group.forget_topics(lambda topic, topic_id: topic == "u", driven.now_ms)
    assert effects.records == []
    effects = driven.group.forget_topics(lambda topic, topic_id: topic_id == ID, driven.now_ms)
    assert effects.records == [OffsetRecord("g", "t", 0, None)]
    assert driven.committed() is None


def test_offsets_of_a_topic_that_was_made_again_are_its_own():
    driven = DrivenGroup()
    driven.commit(5, topic_id=OTHER_ID)
    driven.group.forget_topics(lambda topic, topic_id: topic_id == ID, driven.now_ms)
    assert driven.committed() == 5


def test_a_group_comes_back_as_the_log_has_it():
    driven = DrivenGroup()
    generation = driven.stable("a", "b")
    described = driven.group.describe()
    offsets = {"t": {0: StoredOffset(5, 1, "m", 1)}}
    group = Group("g", driven.settings, ClusterView())
    group.resume(driven.stored, [], offsets, driven.now_ms)
    assert group.describe() == described
    assert group.next_deadline == driven.now_ms + SESSION_MS
    [(_, fetched)] = group.fetch(FetchOffsets("g"), 1, 0).replies
    assert fetched.offsets == [CommittedOffset("t", 0, 5, 1, "m")]
    driven.group = group
    assert driven.join("a") not in driven.answers
    assert driven.answers[driven.join("b")].generation_id == generation + 1


def test_the_leader_comes_back_as_the_leader():
    driven = DrivenGroup()
    driven.stable("a", "b")
    driven.records.append(driven.records[-1]._replace(value=driven.stored._replace(leader="b")))
    driven.restart()
    assert driven.answers[driven.join("a")].leader == "b"


def test_an_empty_group_and_offsets_alone_come_back_too():
    driven = DrivenGroup()
    driven.stable("a")
    driven.leave("a")
    driven.restart()
    assert driven.state == "Empty"
    assert not driven.group.is_void
    assert driven.answers[driven.join(new_id="b")].generation_id == driven.stored.generation_id
    offsets = {"t": {0: StoredOffset(5, 1, "m", 1)}}
    alone = Group("g", GroupSettings(), ClusterView())
    alone.resume(None, [], offsets, 0)
    assert (alone.is_void, alone.next_deadline) == (False, None)


def test_generations_grow_over_restarts_at_any_moment():
    driven = DrivenGroup()
    generations = []
    for _ in range(5):
        generations.append(driven.answers[driven.join(new_id="a")].generation_id)
        driven.restart()
        driven.leave("a")
    assert generations == sorted(set(generations))


def test_a_call_that_was_not_confirmed_is_taken_back():
    driven = DrivenGroup()
    driven.commit(5)
    member = Joined("a", driven.stable("a"))
    group, now_ms = driven.group, driven.now_ms
    group.confirm(driven.records)
    described = group.describe()
    group.commit(committing(6, "g", topic="t", joined=member), "t", now_ms)
    assert driven.committed() == 6
    group.join(joining("", "g"), "t", now_ms, "b")
    group.leave(LeaveGroup("g", [LeavingMember("a")]), "t", now_ms)
    group.roll_back(now_ms)
    assert group.describe() == described
    assert driven.committed() == 5
    assert group.next_deadline == now_ms + SESSION_MS
